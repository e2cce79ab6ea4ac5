// The picture to start with: picked, dropped or pasted, it goes ahead of the form, with its progress in sight.
// Without this file it goes along with the form. All words come from the server, in the field's data-* attributes.
const field = () => document.getElementById("start-image");
const token = () => document.querySelector('meta[name="csrf-token"]')?.content ?? "";
const say = (words) => { document.getElementById("announce").textContent = words ?? ""; };
const hasFile = (transfer) => [...(transfer?.types ?? [])].includes("Files");

let going = null; // { request, bitmap, loaded, total, sent } while a picture is on its way

// The price listens for a change of the form.
const changed = () => field()?.dispatchEvent(new Event("change", { bubbles: true }));

function complain(words) {
  const root = field(), input = root.querySelector("#image");
  root.querySelector("#image-error")?.remove();
  if (words) {
    const error = root.querySelector("template").content.firstElementChild.cloneNode(true);
    error.querySelector("span").textContent = words;
    root.querySelector(".drop").after(error);
  }
  input.setAttribute("aria-describedby", words ? "image-help image-error" : "image-help");
  if (words) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
  say(words);
}

// What is on its way is drawn from `going`: the form may be swapped meanwhile.
function draw() {
  const root = field();
  if (!root) return;
  const box = root.querySelector(".sending");
  box.hidden = !going;
  root.querySelector(".drop").hidden = Boolean(going);
  root.querySelector(".kept")?.toggleAttribute("hidden", Boolean(going));
  if (!going) return;
  const bar = box.querySelector("progress"), words = box.querySelector("[data-words]");
  const percent = going.total ? Math.floor((going.loaded / going.total) * 100) : 0;
  if (going.sent) bar.removeAttribute("value");
  else bar.value = percent;
  words.textContent = going.sent ? root.dataset.checking : `${percent} %`;
  if (going.bitmap) paint(box.querySelector("canvas"), going.bitmap);
}

// The policy allows pictures of this site only: a canvas needs no address.
function paint(canvas, bitmap) {
  const scale = Math.max(canvas.width / bitmap.width, canvas.height / bitmap.height);
  const width = bitmap.width * scale, height = bitmap.height * scale;
  canvas.getContext("2d").drawImage(bitmap, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
}

function send(file) {
  const root = field();
  if (!root || !file) return;
  going?.request.abort();
  going = null;
  complain("");
  if (file.size > Number(root.dataset.max)) return complain(root.dataset.tooLarge);
  const request = new XMLHttpRequest();
  const mine = (going = { request, loaded: 0, total: file.size, sent: false, bitmap: null });
  const isMine = () => going === mine;
  createImageBitmap(file, { resizeWidth: 192 }).then((bitmap) => { mine.bitmap = bitmap; if (isMine()) draw(); }, () => {});
  request.upload.addEventListener("progress", ({ loaded, total }) => { if (isMine()) { Object.assign(mine, { loaded, total }); draw(); } });
  request.upload.addEventListener("load", () => { if (isMine()) { mine.sent = true; draw(); } });
  request.addEventListener("load", () => { if (isMine()) arrive(request); });
  for (const name of ["error", "timeout"]) request.addEventListener(name, () => { if (isMine()) end(field()?.dataset.failed); });
  const body = new FormData();
  const kept = root.querySelector("[name=image_id]");
  if (kept) body.append("image_id", kept.value);
  body.append("image", file, file.name || "picture");
  request.open("POST", root.dataset.address);
  request.setRequestHeader("HX-Request", "true");
  request.setRequestHeader("X-CSRFToken", token());
  request.send(body);
  const hadFocus = root.contains(document.activeElement); // a paste into the prompt leaves it there
  draw();
  say(root.dataset.sending);
  if (hadFocus) root.querySelector("[data-image=stop]").focus({ preventScroll: true });
}

function end(words) {
  const hadFocus = field()?.contains(document.activeElement);
  going = null;
  draw();
  if (words) complain(words);
  if (hadFocus) field().querySelector("#image").focus({ preventScroll: true });
}

// The server answers with the field: its preview, or what is wrong. Anything else is told in the words it came with.
function arrive(request) {
  const away = request.getResponseHeader("HX-Redirect");
  if (away) return location.assign(away);
  const answer = new DOMParser().parseFromString(request.responseText, "text/html");
  const next = answer.getElementById("start-image");
  if (!next || !field()) return end(answer.querySelector(".toast > div")?.textContent.trim() || field()?.dataset.failed);
  const hadFocus = field().contains(document.activeElement);
  going = null;
  field().replaceWith(document.adoptNode(next));
  const words = field().querySelector("#image-error span")?.textContent;
  say(words || field().dataset.kept);
  if (hadFocus) field().querySelector("#image").focus({ preventScroll: true });
  if (request.status < 300) changed();
}

// --- picked: the form keeps no file, or it would go along with every question for the price
document.addEventListener("change", (event) => {
  const input = event.target;
  if (input.id !== "image" || !input.closest("#start-image")) return;
  event.stopPropagation();
  const [file] = input.files;
  input.value = "";
  send(file);
}, { capture: true });

// --- dropped: anywhere on the composer; beside it a file must not replace the page
document.addEventListener("dragover", (event) => {
  if (!field() || !hasFile(event.dataTransfer)) return;
  event.preventDefault();
  const composer = event.target.closest?.("#composer");
  event.dataTransfer.dropEffect = composer ? "copy" : "none";
  document.getElementById("composer").toggleAttribute("data-drop", Boolean(composer));
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget?.closest?.("#composer")) document.getElementById("composer")?.removeAttribute("data-drop");
});
document.addEventListener("drop", (event) => {
  if (!field() || !hasFile(event.dataTransfer)) return;
  event.preventDefault();
  document.getElementById("composer").removeAttribute("data-drop");
  if (event.target.closest?.("#composer")) send(event.dataTransfer.files[0]);
});

// --- pasted: text that comes with a picture of itself stays text
document.addEventListener("paste", (event) => {
  const { files, types } = event.clipboardData ?? {};
  if (!field() || !files?.length) return;
  if (event.target.closest?.("input, textarea") && types.includes("text/plain")) return;
  event.preventDefault();
  send(files[0]);
});

document.addEventListener("click", (event) => {
  const act = event.target.closest("#start-image [data-image]")?.dataset.image;
  if (!act) return;
  if (act === "stop") {
    going?.request.abort();
    end();
    say(field().dataset.stopped);
  } else {
    field().querySelector(".kept").remove();
    complain("");
    say(field().dataset.removed);
    changed();
  }
  field().querySelector("#image").focus({ preventScroll: true });
});

// --- nothing is ordered while its picture is half here
document.addEventListener("submit", (event) => {
  if (!going || event.target.id !== "composer") return;
  event.preventDefault();
  event.stopImmediatePropagation();
  complain(field().dataset.wait);
}, { capture: true });

document.addEventListener("htmx:after:swap", draw);
