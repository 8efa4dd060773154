// Fetches a page and puts parts of it in the place of the same parts here.
let current = null;

export async function replace(address, ...ids) {
  current?.abort();
  current = new AbortController();
  const answer = await fetch(address, {
    headers: { Accept: "text/html" },
    signal: current.signal,
  });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (!answer.ok) return;
  for (const id of ids) {
    const part = page.getElementById(id);
    if (part) document.getElementById(id).replaceChildren(...part.childNodes);
  }
}
