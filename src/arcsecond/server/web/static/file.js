// Searches the headers while one types, and says why a picture is not there.
import { replace } from "./replace.js";

const form = document.getElementById("search-headers");
const field = document.getElementById("search");
const count = document.getElementById("count");
let waiting = 0;

async function look() {
  clearTimeout(waiting);
  const address = new URL(location.href);
  address.hash = "";
  address.search = "";
  const words = field.value.trim();
  if (words) address.searchParams.set("search", words);
  try {
    await replace(address, "cards");
    history.replaceState(null, "", address);
    count.textContent = document.querySelector("#cards .meta").firstChild.textContent;
  } catch (error) {
    if (error.name !== "AbortError") count.textContent = "The server does not answer.";
  }
}

field.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(look, 150);
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  look();
});

for (const image of document.querySelectorAll(".preview img")) {
  const explain = async () => {
    const answer = await fetch(image.src, { headers: { Accept: "application/json" } });
    const said = answer.ok || (await answer.json());
    if (answer.ok || !image.isConnected) return;
    image.closest("figure").querySelector("figcaption").textContent = said.detail;
    image.parentElement.remove();
  };
  image.addEventListener("error", explain);
  if (image.complete && !image.naturalWidth && image.loading !== "lazy") explain();
}
