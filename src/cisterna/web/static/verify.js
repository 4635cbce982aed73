// Digests the files of a folder in the browser and asks which are safe. Names and bytes never leave this page.
import { sha512 } from "./vendor/sha2.js";

const box = document.getElementById("verify");
const words = box.dataset;
const SLICE_BYTES = 4 * 1024 * 1024;
const AT_ONCE_BYTES = 64 * 1024 * 1024; // what WebCrypto, which has no streams, is given as one piece
const BATCH = 1000;
const SHOWN = 500;

const say = (text, values = {}) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const hex = (bytes) => Array.from(bytes, (one) => one.toString(16).padStart(2, "0")).join("");
const tell = (text) => { document.getElementById("said").textContent = text; };

async function digestOf(file, onBytes) {
  const { size, lastModified } = file;
  let digest;
  if (size <= AT_ONCE_BYTES && globalThis.crypto?.subtle) {
    digest = new Uint8Array(await crypto.subtle.digest("SHA-512", await file.arrayBuffer()));
    onBytes(size);
  } else {
    const hash = sha512.create();
    let read = 0;
    for (let start = 0; start < size; start += SLICE_BYTES) {
      const piece = new Uint8Array(await file.slice(start, start + SLICE_BYTES).arrayBuffer());
      hash.update(piece);
      read += piece.length;
      onBytes(piece.length);
    }
    if (read !== size) throw new Error("it was cut short");
    digest = hash.digest();
  }
  if (file.size !== size || file.lastModified !== lastModified) throw new Error("it changed");
  return hex(digest);
}

async function ask(digests) {
  const stores = {};
  let copies = 0;
  for (let start = 0; start < digests.length; start += BATCH) {
    const answer = await fetch("/api/v1/digests", {
      method: "POST",
      headers: { "content-type": "application/json", "x-csrf-token": words.csrf },
      body: JSON.stringify({ digests: digests.slice(start, start + BATCH) }),
    });
    if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
    const said = await answer.json();
    copies = said.copies;
    Object.assign(stores, said.stores);
  }
  return { stores, copies };
}

async function verify(files) {
  const bar = document.getElementById("bar");
  document.getElementById("results").hidden = true;
  if (files.length === 0) { tell(words.nothing); return; }
  const total = files.reduce((sum, one) => sum + one.file.size, 0) || 1;
  let bytes = 0;
  bar.hidden = false;
  const found = [];
  for (const [index, { path, file }] of files.entries()) {
    tell(say(words.reading, { done: index + 1, total: files.length, path }));
    let digest = null;
    try {
      digest = await digestOf(file, (count) => { bytes += count; bar.value = bytes / total; });
    } catch {
      digest = null; // it could not be read, which is never the same as safe
    }
    found.push({ path, size: file.size, digest });
  }
  tell(words.asking);
  try {
    const { stores, copies } = await ask([...new Set(found.map((one) => one.digest).filter(Boolean))]);
    show(found, stores, copies);
  } catch (error) {
    tell(say(words.failed, { why: error.message }));
  }
  bar.hidden = true;
}

function show(found, stores, copies) {
  const judged = found.map((one) => {
    const held = one.digest ? (stores[one.digest] || []).length : 0;
    const is = !one.digest ? "unread" : held >= copies ? "safe" : held > 0 ? "few" : "absent";
    return { ...one, is };
  });
  const safe = judged.filter((one) => one.is === "safe");
  const rest = judged.filter((one) => one.is !== "safe");
  tell(say(words.finished, { safe: safe.length, total: judged.length, copies }));
  const badge = { safe: "verdict-passed", few: "verdict-review", absent: "verdict-quarantined", unread: "verdict-not-assessed" };
  const ordered = [...rest, ...safe];
  document.getElementById("rows").replaceChildren(...ordered.slice(0, SHOWN).map((one) => {
    const row = document.createElement("tr");
    const mark = document.createElement("span");
    mark.className = `badge ${badge[one.is]}`;
    mark.textContent = words[one.is];
    const cells = [document.createElement("td"), document.createElement("th"), document.createElement("td")];
    cells[0].append(mark);
    cells[1].scope = "row";
    cells[1].className = "file";
    cells[1].textContent = one.path;
    cells[2].className = "num";
    cells[2].textContent = `${one.size.toLocaleString("en")} B`;
    row.append(...cells);
    return row;
  }));
  document.getElementById("more").textContent =
    ordered.length > SHOWN ? say(words.more, { count: ordered.length - SHOWN }) : "";
  offer("safe-list", safe);
  offer("rest-list", rest);
  document.getElementById("results").hidden = false;
}

function offer(id, files) {
  const link = document.getElementById(id);
  if (link.href) URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(new Blob(files.map((one) => `${one.path}\n`), { type: "text/plain" }));
}

async function below(entry, path, files) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    files.push({ path: path + entry.name, file });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return;
    for (const one of some) await below(one, `${path}${entry.name}/`, files);
  }
}

document.getElementById("folder").addEventListener("change", (event) => {
  verify(Array.from(event.target.files, (file) => ({ path: file.webkitRelativePath || file.name, file })));
});
box.addEventListener("dragover", (event) => event.preventDefault());
box.addEventListener("drop", async (event) => {
  event.preventDefault();
  const entries = Array.from(event.dataTransfer.items, (item) => item.webkitGetAsEntry()).filter(Boolean);
  const files = [];
  for (const entry of entries) await below(entry, "", files);
  verify(files);
});
