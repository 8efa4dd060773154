// Takes files and folders that are dropped on the page, or chosen, and sends them by
// tus 1.0.0, three at a time. After a cut, or another visit, dropping the same files
// again goes on where each came to a stop. A name that other content has waits for a
// click: then the file becomes a new version, and the old one stays readable.
import { digest as readDigest } from "./digest.js";
import { replace } from "./replace.js";

const AT_A_TIME = 3;
const PIECE = 8 << 20; // at most; each that fails makes the next ones smaller
const LEAST = 256 << 10;
const HELD = 64 << 20; // larger ones are digested piece by piece: the browser wants all of it in memory
const TRIES = 8;
const LISTED = 30; // rows that stay when they are done
const NAMED = 5; // of what is left out
const TUS = { "Tus-Resumable": "1.0.0" };
const SIGNATURES = ["SIMPLE  =", "\x1f\x8b", "BZh", "\x1f\x9d", "PK\x03\x04", "XISF0100"];
const NAMED_FITS = /\.(fits?|fts|fz|xisf)(\.(gz|bz2|z|zip))?$/i;

const form = document.getElementById("upload");
const chosen = document.getElementById("choose");
const list = document.getElementById("uploads");
const said = document.getElementById("uploaded");
const every = document.getElementById("replace-all");
const begin = form.action.replace(/fitsfiles\/$/, "uploads/");
const asked = form.action.replace(/fitsfiles\/$/, "known/");

const queue = [];
const counts = { all: 0, sent: 0, made: 0, there: 0, bad: 0 };
const left = []; // names of what is left out
const taken = new Map(); // files whose name other content has, by their row
let active = 0;
let waiting = null; // uploads that came to a stop, by what they are to become

const toBecome = (size, name, replaces) => `${size} ${replaces ? "anew " : ""}${name}`;

form.querySelector("label").textContent = "Drop FITS files or folders here, or choose files";
form.querySelector("button").hidden = true;
chosen.multiple = true;
const folder = document.createElement("input");
folder.type = "file";
folder.id = "choose-folder";
folder.webkitdirectory = true;
const folderLabel = document.createElement("label");
folderLabel.htmlFor = folder.id;
folderLabel.textContent = "or a folder";
chosen.after(folderLabel, folder);

// Rows

function shown(name) {
  const item = document.createElement("li");
  const label = document.createElement("span");
  label.textContent = name;
  const bar = document.createElement("progress");
  bar.max = 1;
  bar.value = 0;
  bar.setAttribute("aria-label", name);
  const state = document.createElement("span");
  item.append(label, bar, state);
  list.append(item);
  return { item, bar, state };
}

function end(row, text, bad = false) {
  row.state.textContent = text;
  row.item.className = bad ? "bad" : "done";
  row.bar.remove();
  for (const old of [...list.querySelectorAll(".done")].slice(0, -LISTED)) old.remove();
}

function tell() {
  const parts = [`${counts.sent} of ${counts.all} uploaded`];
  if (counts.made) parts.push(`${counts.made} made of what was here`);
  if (counts.there) parts.push(`${counts.there} here already`);
  if (taken.size) parts.push(`${taken.size} wait: other content has their name`);
  if (counts.bad) parts.push(`${counts.bad} failed`);
  if (left.length) {
    const more = left.length > NAMED ? " …" : "";
    parts.push(`${left.length} left out, as hidden, empty or no FITS: ${left.slice(0, NAMED).join(", ")}${more}`);
  }
  said.textContent = parts.join(", ") + ".";
  every.hidden = taken.size < 2;
  every.textContent = `Keep all ${taken.size} as new versions`;
}

// Names that are taken

class Taken extends Error {}

function offer(row, file, name) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Keep as a new version";
  button.setAttribute("aria-label", `Keep ${name} as a new version`);
  button.addEventListener("click", () => asNewVersion(row));
  end(row, "Other content has this name.", true);
  row.state.append(button);
  taken.set(row, [file, name]);
}

function asNewVersion(row) {
  const [file, name] = taken.get(row);
  taken.delete(row);
  row.item.remove();
  (list.querySelector("button") ?? chosen).focus();
  queue.push([file, name, true]);
  tell();
  work();
}

every.addEventListener("click", () => [...taken.keys()].forEach(asNewVersion));

// Talking to the server

class Refused extends Error {
  constructor(request) {
    super(detail(request));
    this.status = request.status;
    this.after = 1000 * (Number(request.getResponseHeader("Retry-After")) || 0);
    this.passes = [0, 423, 429, 460].includes(this.status) || (this.status >= 500 && this.status !== 507);
  }
}

function detail(request) {
  if (!request.status) return "The connection was cut.";
  try {
    return JSON.parse(request.responseText).detail;
  } catch {
    return `The server answered ${request.status}.`;
  }
}

function ask(method, address, headers = {}, body = null, moved = null) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, address);
    request.timeout = 120000;
    for (const [name, value] of Object.entries({ Accept: "application/json", ...headers })) request.setRequestHeader(name, value);
    if (moved) request.upload.addEventListener("progress", (event) => moved(event.loaded));
    request.addEventListener("loadend", () => {
      if (request.status >= 200 && request.status < 300) resolve(request);
      else reject(new Refused(request));
    });
    request.send(body);
  });
}

async function pause(error, failed, row) {
  row.state.textContent = `${error.message} Trying again …`;
  const ms = Math.max(error.after, Math.min(30000, 500 * 2 ** failed));
  await new Promise((resolve) => setTimeout(resolve, ms));
}

// Do it again as long as it fails in a way that may pass.
async function patiently(work, row) {
  for (let failed = 1; ; failed += 1) {
    try {
      return await work();
    } catch (error) {
      if (!error.passes || failed === TRIES) throw error;
      await pause(error, failed, row);
    }
  }
}

// CRC-32 as in zip and PNG: the digest of each piece.
const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit += 1) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

function crc32(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = TABLE[(value ^ byte) & 0xff] ^ (value >>> 8);
  value = ~value;
  return btoa(String.fromCharCode((value >>> 24) & 0xff, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff));
}

function base64(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

async function sha256(file, row) {
  if (!globalThis.crypto?.subtle || file.size > HELD) {
    return readDigest(file, (bytes) => {
      row.state.textContent = `reading, ${Math.floor((100 * bytes) / file.size)} %`;
    });
  }
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Go on with an upload that came to a stop only if it is of this very file.
async function isOf(address, file, digest) {
  const told = (await ask("HEAD", address, TUS)).getResponseHeader("Upload-Metadata") ?? "";
  const known = Object.fromEntries(told.split(",").map((pair) => pair.trim().split(" ")));
  // A copy has the same bytes, whenever it was made.
  if (known.sha256 === base64(digest)) return true;
  if (known.sha256 === undefined) return known.modified === base64(String(file.lastModified));
  // Of an older file of that name, nobody goes on with it; one that another program began stays.
  if (known.modified !== undefined) await ask("DELETE", address, TUS);
  return false;
}

async function thatWait() {
  const found = new Map();
  let address = `${begin}?page_size=500`;
  while (address) {
    const page = JSON.parse((await ask("GET", address)).responseText);
    for (const one of page.results) found.set(toBecome(one.size, one.name, one.replace), `/uploads/${one.uuid}`);
    address = page.next && begin + new URL(page.next).search;
  }
  return found;
}

// One file

// Make a file of content that is here under another name, or in another dataset.
async function made(name, digest, row) {
  const body = JSON.stringify({ name, sha256: digest });
  try {
    await patiently(() => ask("POST", form.action, { "Content-Type": "application/json" }, body), row);
    return true;
  } catch (error) {
    if (error.status !== 404) throw error;
    return false; // it went meanwhile
  }
}

async function send(file, name, replaces, row) {
  let digest;
  try {
    digest = await sha256(file, row);
  } catch {
    throw new Error("It cannot be read.");
  }
  const body = JSON.stringify({ files: [{ name, size: file.size, sha256: digest }] });
  const question = () => ask("POST", asked, { "Content-Type": "application/json" }, body);
  const [known] = JSON.parse((await patiently(question, row)).responseText);
  if (known.state === "same") return "there";
  if (known.state === "other" && !replaces) throw new Taken();
  if (known.state === "elsewhere" && (await made(name, digest, row))) return "made";
  let address = waiting.get(toBecome(file.size, name, replaces)) ?? "";
  if (address && !(await isOf(address, file, digest).catch(() => false))) address = "";
  let offset = address ? null : 0;
  let failed = 0;
  let anew = 0;
  let size = PIECE;
  for (;;) {
    try {
      if (!address) {
        const known = { filename: name, modified: String(file.lastModified), sha256: digest };
        if (replaces) known.replace = "true";
        const told = Object.entries(known).map(([key, value]) => `${key} ${base64(value)}`).join(",");
        const headers = { ...TUS, "Upload-Length": String(file.size), "Upload-Metadata": told };
        const begun = await ask("POST", begin, headers);
        address = new URL(begun.getResponseHeader("Location"), location.href).pathname;
        offset = 0;
      }
      let answer;
      if (offset === null) {
        answer = await ask("HEAD", address, TUS);
      } else {
        const piece = new Uint8Array(await file.slice(offset, offset + size).arrayBuffer());
        const headers = {
          ...TUS,
          "Content-Type": "application/offset+octet-stream",
          "Upload-Offset": String(offset),
          "Upload-Checksum": `crc32 ${crc32(piece)}`,
        };
        const from = offset;
        answer = await ask("PATCH", address, headers, piece, (loaded) => moved(row, from + loaded, file.size));
        failed = 0;
        size = Math.min(PIECE, 2 * size);
      }
      offset = Number(answer.getResponseHeader("Upload-Offset"));
      moved(row, offset, file.size);
      if (answer.getResponseHeader("Arcsecond-File")) {
        const kept = answer.getResponseHeader("Arcsecond-SHA256");
        if (kept && kept !== digest) return "other";
        return answer.getResponseHeader("Arcsecond-New") === "true" ? "sent" : "there";
      }
    } catch (error) {
      if (!(error instanceof Refused)) throw new Error("It cannot be read any more; it may have changed.");
      if (address && offset === null && error.status === 422) {
        offset = file.size; // all of it came and was refused: its end tells why
        continue;
      }
      if (error.status === 460 && offset + size >= file.size) anew += 1; // all of it begins anew
      if (anew === 3) throw error;
      const gone = address && [404, 410].includes(error.status);
      const elsewhere = error.status === 409 && offset !== null && offset + size < file.size;
      failed += 1;
      if (failed === TRIES || !(error.passes || gone || elsewhere)) throw error;
      if (gone) address = "";
      size = Math.max(LEAST, size >> 2);
      await pause(error, failed, row);
      offset = address ? null : 0;
    }
  }
}

async function problemsOf(name) {
  const found = await ask("GET", `${form.action}?name=${encodeURIComponent(name)}`);
  return JSON.parse(found.responseText).flatMap((file) => file.problems);
}

function moved(row, bytes, size) {
  row.bar.value = bytes / size;
  row.state.textContent = bytes >= size ? "being read" : `${Math.floor((100 * bytes) / size)} %`;
}

// All of them

const TOLD = { there: "was here already", made: "made of what was here" };

async function work() {
  if (active >= AT_A_TIME) return;
  active += 1;
  while (queue.length) {
    const [file, name, replaces] = queue.shift();
    const row = shown(name);
    try {
      waiting ??= await patiently(thatWait, row);
      const how = await send(file, name, replaces, row);
      if (how === "other") throw new Error("The server kept other bytes than were sent.");
      counts[how] += 1;
      const problems = how === "sent" ? await problemsOf(name).catch(() => []) : [];
      const text = TOLD[how] ?? (replaces ? "a new version" : "uploaded");
      end(row, [text, ...problems].join(". "), problems.length > 0);
    } catch (error) {
      if (error instanceof Taken) offer(row, file, name);
      else {
        counts.bad += 1;
        end(row, error.message, true);
      }
    }
    tell();
  }
  active -= 1;
  if (!active) {
    waiting = null;
    await replace(location.pathname, "facts", "files").catch(() => {});
  }
}

async function takes(file, name, named) {
  const hidden = !named && name.split("/").some((part) => part.startsWith("."));
  if (hidden || !file.size) return false;
  const start = String.fromCharCode(...new Uint8Array(await file.slice(0, 9).arrayBuffer()));
  return named || NAMED_FITS.test(name) || SIGNATURES.some((one) => start.startsWith(one));
}

async function add(files) {
  for await (const [file, name, named] of files) {
    if (!file) {
      counts.all += 1;
      counts.bad += 1;
      end(shown(name), "It cannot be read here.", true);
    } else if (await takes(file, name, named).catch(() => true)) {
      counts.all += 1;
      queue.push([file, name, false]);
      work();
    } else left.push(name);
    tell();
  }
}

// What cannot be read comes without a file, and holds up no other.
async function* inside(entry, named, above = "") {
  const name = entry.fullPath.slice(1 + above.length);
  const found = (read) => new Promise((resolve) => read(resolve, () => resolve(null)));
  if (entry.isFile) {
    yield [await found((ok, not) => entry.file(ok, not)), name, named];
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await found((ok, not) => reader.readEntries(ok, not));
    if (!some) yield [null, name || entry.fullPath, named];
    if (!some?.length) return;
    for (const one of some) yield* inside(one, false, above);
  }
}

// The names in a folder that comes alone are those below it; several keep theirs in front.
async function* dropped(entries) {
  for (const entry of entries) {
    if (entry instanceof File) yield [entry, entry.name, true];
    else yield* inside(entry, entry.isFile, entries.length === 1 && !entry.isFile ? `${entry.fullPath.slice(1)}/` : "");
  }
}

chosen.addEventListener("change", () => {
  add([...chosen.files].map((file) => [file, file.name, true]));
  form.reset();
});
folder.addEventListener("change", () => {
  add([...folder.files].map((file) => [file, file.webkitRelativePath.replace(/^[^/]*\//, ""), false]));
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
  const items = [...event.dataTransfer.items].filter((item) => item.kind === "file");
  add(dropped(items.map((item) => item.webkitGetAsEntry() ?? item.getAsFile())));
});
addEventListener("beforeunload", (event) => {
  if (active) event.preventDefault();
});
