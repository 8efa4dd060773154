// Takes files that are dropped on the page, or chosen, and uploads one after another.
import { replace } from "./replace.js";

const form = document.getElementById("upload");
const input = document.getElementById("choose");
const list = document.getElementById("uploads");
const said = document.getElementById("uploaded");
const queue = [];
let busy = false;

form.querySelector("label").textContent = "Drop FITS files here, or choose them";
form.querySelector("button").hidden = true;
input.multiple = true;

function shown(name) {
  const item = document.createElement("li");
  const label = document.createElement("span");
  label.textContent = name;
  const bar = document.createElement("progress");
  bar.max = 1;
  bar.value = 0;
  bar.setAttribute("aria-label", name);
  const state = document.createElement("span");
  state.textContent = "waiting";
  item.append(label, bar, state);
  list.append(item);
  return { item, bar, state };
}

function end(row, text, bad = false) {
  row.state.textContent = text;
  row.item.className = bad ? "bad" : "done";
  row.bar.remove();
}

function outcome(request) {
  const { problems } = JSON.parse(request.responseText);
  const text = request.status === 201 ? "uploaded" : "was here already";
  return [[text, ...problems].join(". "), problems.length > 0];
}

function reason(request) {
  try {
    return JSON.parse(request.responseText).detail;
  } catch {
    return `The server answered ${request.status}.`;
  }
}

function send(file, row) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    const body = new FormData();
    body.append("file", file, file.name);
    request.upload.addEventListener("progress", (event) => {
      if (!event.lengthComputable) return;
      row.bar.value = event.loaded / event.total;
      const all = event.loaded === event.total;
      row.state.textContent = all ? "being read" : `${Math.floor((100 * event.loaded) / event.total)} %`;
    });
    request.addEventListener("load", () => {
      if (request.status >= 300) end(row, reason(request), true);
      else end(row, ...outcome(request));
    });
    request.addEventListener("error", () => end(row, "The connection was cut; try again.", true));
    request.addEventListener("loadend", () => resolve(request.status === 201));
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "application/json");
    request.send(body);
  });
}

async function work() {
  if (busy) return;
  busy = true;
  let sent = 0;
  let tried = 0;
  while (queue.length) {
    const [file, row] = queue.shift();
    tried += 1;
    if (await send(file, row)) sent += 1;
    said.textContent = `${sent} of ${tried + queue.length} uploaded.`;
    if (!queue.length) await replace(location.pathname, "facts", "files").catch(() => {});
  }
  busy = false;
}

function add(files) {
  for (const file of files) queue.push([file, shown(file.name)]);
  work();
}

function dropped(transfer) {
  const files = [];
  for (const item of transfer.items) {
    if (item.kind !== "file") continue;
    const entry = item.webkitGetAsEntry?.();
    if (entry?.isDirectory) end(shown(entry.name), "This is a folder: drop the files in it.", true);
    else files.push(item.getAsFile());
  }
  return files;
}

input.addEventListener("change", () => {
  add([...input.files]);
  form.reset();
});
form.addEventListener("submit", (event) => event.preventDefault());

// The whole page takes files: one that misses the field would be opened in its place.
const over = (is) => form.classList.toggle("over", is);
addEventListener("dragover", (event) => {
  event.preventDefault();
  over(event.dataTransfer.types.includes("Files"));
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) over(false);
});
addEventListener("drop", (event) => {
  event.preventDefault();
  over(false);
  add(dropped(event.dataTransfer));
});
addEventListener("beforeunload", (event) => {
  if (busy) event.preventDefault();
});
