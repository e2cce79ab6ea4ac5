// Build by parts: the server writes, this puts its answer into the prompt. Without it the page comes whole.
const $ = (selector, root = document) => root.querySelector(selector);

// --- an answer with a prompt goes into the field as if it were typed: counter and price follow
function put(parts) {
  const prompt = $("#prompt");
  prompt.value = parts.dataset.prompt;
  parts.removeAttribute("data-prompt");
  prompt.dispatchEvent(new Event("input", { bubbles: true }));
}

// --- what was open stays open when its fragment is replaced
const isOpen = new Map();
document.addEventListener("toggle", ({ target }) => {
  if (target.matches("#parts, #sent")) isOpen.set(target.id, target.open);
}, { capture: true });

document.addEventListener("htmx:after:swap", (event) => {
  for (const details of document.querySelectorAll("#parts, #sent")) if (isOpen.get(details.id)) details.open = true;
  const parts = $("#parts[data-prompt]");
  if (parts) put(parts);
  // htmx names the fragment where the pressed button is gone with it.
  const source = event.detail.ctx?.sourceElement;
  if (!source?.closest?.("#parts") || source.id === "part-fields") return;
  // Then the focus goes to what the answer says.
  const note = $("#part-note");
  if (document.activeElement === document.body) note.focus({ preventScroll: true });
  (note.lastElementChild ?? note).scrollIntoView({ block: "nearest" }); // it may lie behind the price
});

// --- Enter in a part writes the prompt, in any other field of the form it makes the video
document.addEventListener("keydown", (event) => {
  const { target, key } = event;
  if (key !== "Enter" || event.isComposing || !target.matches("#composer input:not([type=file])")) return;
  event.preventDefault();
  if (target.name.startsWith("part_")) $("#parts [value=write]").click();
  else $("#make").click();
});

// --- a part that was clicked is ready to be written over; emptied, it lists every choice
document.addEventListener("focusin", ({ target }) => { if (target.matches("#part-fields input")) target.select(); });
