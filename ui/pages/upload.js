/** Files from the reader's own disk: chosen, or dropped anywhere on the page. */

import { find, setText } from "./dom.js";
import { showError } from "./toasts.js";

/**
 * @param {{send: (batch: string, file: File) => Promise<void>, importSent: (batch: string) => Promise<void>}} actions
 */
export function startUpload(actions) {
  const field = find("#or-import-files");
  const page = find("#overread");
  const take = (files) => upload(files, actions).catch(showError);
  find("#or-import-choose").addEventListener("click", () => field.click());
  field.addEventListener("change", () => {
    const files = [...field.files];
    field.value = "";
    take(files);
  });
  const holdsFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  window.addEventListener("dragover", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    page.dataset.dropping = "";
  });
  window.addEventListener("dragleave", (event) => { if (event.relatedTarget === null) delete page.dataset.dropping; });
  window.addEventListener("drop", async (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    delete page.dataset.dropping;
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    take((await Promise.all(entries.map(filesOf))).flat());
  });
}

/** Sends one after another, so that a folder of slices does not fill the memory; then imports them together. */
export async function upload(files, { send, importSent }, say = progress) {
  if (files.length === 0) return;
  const batch = new Date().toISOString().replace(/[^0-9]/g, "").slice(0, 17);
  try {
    for (const [n, file] of files.entries()) {
      say(`Copying ${n + 1} of ${files.length} files`);
      await send(batch, file);
    }
    await importSent(batch);
  } finally {
    say("");
  }
}

function progress(text) {
  const line = find("#or-sending");
  line.hidden = text === "";
  setText(line, text);
}

/** A dropped file, or all files below a dropped folder. @param {FileSystemEntry} entry @returns {Promise<File[]>} */
async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const found = [];
  for (;;) { // a reader gives at most a hundred entries at a time
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) break;
    found.push(...some);
  }
  return (await Promise.all(found.map(filesOf))).flat();
}
