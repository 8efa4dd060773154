// Fetches a page and puts a part of it in the place of the same part here.
let current = null;

export async function replace(id, address) {
  current?.abort();
  current = new AbortController();
  const answer = await fetch(address, {
    headers: { Accept: "text/html" },
    signal: current.signal,
  });
  const text = await answer.text();
  const part = new DOMParser().parseFromString(text, "text/html").getElementById(id);
  if (answer.ok && part) document.getElementById(id).replaceChildren(...part.childNodes);
}
