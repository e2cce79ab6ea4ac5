// Only what CSS and HTML cannot do. Everything here is a bonus: each page works without it.
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => root.querySelectorAll(selector);
const calm = matchMedia("(prefers-reduced-motion: reduce)");

// --- theme: the server writes data-theme from the cookie that this form sets
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-theme-form]") || !event.submitter) return;
  event.preventDefault();
  const theme = event.submitter.value;
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  for (const button of $$("button", form)) button.setAttribute("aria-pressed", button.value === theme);
  fetch(form.action, { method: "POST", body: new FormData(form, event.submitter), redirect: "manual" });
});

// --- menus close on a click elsewhere and on Escape
function closeMenus(except) {
  for (const menu of $$("details.menu[open]")) if (menu !== except) menu.open = false;
}
document.addEventListener("click", (event) => {
  closeMenus(event.target.closest("details.menu"));
  event.target.closest("[data-dismiss]")?.closest(".toast").remove();
  const copy = event.target.closest("[data-copy]");
  if (copy) navigator.clipboard?.writeText(document.getElementById(copy.dataset.copy).textContent.trim());
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const open = $("details.menu[open]");
  closeMenus();
  if (open) $("summary", open).focus();
});

// The field in an opened menu has the focus, its text selected.
document.addEventListener("toggle", ({ target }) => {
  const field = target.matches("details.menu[open]") && $("input.control", target);
  if (!field) return;
  field.focus();
  field.select();
}, { capture: true });

// --- counters count people's characters, not UTF-16 halves
function count(field) {
  const out = document.getElementById(field.dataset?.counter);
  if (!out) return;
  const length = [...field.value.trim()].length;
  const max = Number(field.dataset.max);
  out.textContent = `${length} / ${max}`;
  out.toggleAttribute("data-near", length > max * 0.9 && length <= max);
  out.toggleAttribute("data-over", length > max);
}
document.addEventListener("input", (event) => count(event.target));

// --- a type brings its example, unless something was written
document.addEventListener("change", (event) => {
  const { form, dataset } = event.target;
  const prompt = dataset.prompt && form?.elements.prompt;
  if (!prompt) return;
  const examples = [...$$("[data-prompt]", form)].map((type) => type.dataset.prompt);
  if (prompt.value.trim() && !examples.includes(prompt.value.trim())) return;
  prompt.value = dataset.prompt;
  count(prompt);
}, { capture: true });

// --- a finished picture moves under the pointer or the keyboard, silently
let timer;
function preview(event) {
  const box = event.target.closest?.(".card");
  const media = box && $("[data-preview]", box);
  if (!media || calm.matches || $("video", media) || navigator.connection?.saveData) return;
  clearTimeout(timer);
  timer = setTimeout(() => {
    const video = Object.assign(document.createElement("video"), { src: media.dataset.preview, muted: true, loop: true, playsInline: true });
    video.setAttribute("aria-hidden", "true");
    video.addEventListener("playing", () => $("img:last-of-type", media).after(video), { once: true });
    video.play().catch(() => {});
    const stop = (leave) => {
      if (box.contains(leave.relatedTarget)) return;
      clearTimeout(timer);
      video.pause();
      video.removeAttribute("src");
      video.load();
      video.remove();
      box.removeEventListener("pointerleave", stop);
      box.removeEventListener("focusout", stop);
    };
    box.addEventListener("pointerleave", stop);
    box.addEventListener("focusout", stop);
  }, 240);
  box.addEventListener("pointerleave", () => clearTimeout(timer), { once: true });
}
document.addEventListener("pointerover", (event) => event.pointerType === "mouse" && preview(event));
document.addEventListener("focusin", (event) => event.target.matches(":focus-visible") && preview(event));

// --- player: the native one with our own bar, in which the wave is the position
const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
function dressPlayer(player) {
  if (player.dataset.dressed !== undefined) return;
  player.dataset.dressed = "";
  const video = $("video", player), range = $("input[type=range]", player), time = $(".clock", player);
  video.controls = false;
  for (const part of $$("[hidden]", player)) part.hidden = false;
  const draw = () => {
    const length = video.duration || 0, part = length ? video.currentTime / length : 0;
    player.style.setProperty("--p", `${part * 100}%`);
    range.value = part * 1000;
    if (length) time.textContent = `${clock(video.currentTime)} / ${clock(length)}`;
    range.setAttribute("aria-valuetext", time.textContent);
    if (!video.paused) requestAnimationFrame(draw);
  };
  const sync = () => {
    player.toggleAttribute("data-playing", !video.paused);
    player.toggleAttribute("data-muted", video.muted);
    draw();
  };
  for (const name of ["play", "pause", "volumechange", "loadedmetadata", "seeked"]) video.addEventListener(name, sync);
  range.addEventListener("input", () => { video.currentTime = (range.value / 1000) * (video.duration || 0); });
  const does = {
    play: () => (video.paused ? video.play() : video.pause()),
    mute: (button) => button.setAttribute("aria-pressed", (video.muted = !video.muted)),
    loop: (button) => button.setAttribute("aria-pressed", (video.loop = !video.loop)),
    full: () => (document.fullscreenElement ? document.exitFullscreen() : player.requestFullscreen?.() ?? video.webkitEnterFullscreen?.()),
  };
  player.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (button) {
      does[button.dataset.do](button);
      if (button.matches(".start")) $(".bar button", player).focus();
    } else if (event.target === video) does.play();
  });
  player.addEventListener("keydown", (event) => {
    const key = { k: "play", m: "mute", l: "loop", f: "full" }[event.key];
    if (key && !event.metaKey && !event.ctrlKey) $(`.bar [data-do=${key}]`, player).click();
  });
  sync();
}

// --- times in the visitor's own zone; the server wrote them in UTC
const zoned = new Intl.DateTimeFormat(document.documentElement.lang === "en" ? "en-GB" : document.documentElement.lang, { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
function dressTime(time) {
  time.removeAttribute("data-when");
  time.textContent = zoned.format(new Date(time.dateTime));
}

// --- the banner above the composer says what the first live card says
function mirror(link) {
  const card = document.getElementById(link.dataset.mirrors);
  if (!card) return;
  const next = card.matches("[data-hx-get]") ? card : $("#live .card[data-hx-get]");
  link.parentElement.hidden = !next;
  if (!next) return;
  link.dataset.mirrors = next.id;
  const bar = $("progress", next), own = $("progress", link);
  $("b", link).textContent = [$(".state", next).textContent.trim(), bar.hasAttribute("value") ? `${bar.value} %` : ""].filter(Boolean).join(" ");
  if (bar.hasAttribute("value")) own.value = bar.value;
  else own.removeAttribute("value");
}

// --- a screen reader hears once when a video moves on, not every two seconds
const heard = new Map();
function announce(isFirst) {
  for (const card of $$(".card")) {
    const { id, dataset: { status } } = card;
    if (!isFirst && heard.has(id) && heard.get(id) !== status) {
      $("#announce").textContent = `${$("h3", card).textContent}: ${$(".state", card).textContent.trim()}`;
    }
    heard.set(id, status);
  }
}

// --- and when other settings bring another maker: the line that says so stands far from the field
let maker = $("#quote")?.dataset.maker;
function tellMaker() {
  const quote = $("#quote[data-maker]");
  if (!quote || quote.dataset.maker === maker) return;
  maker = quote.dataset.maker;
  $("#announce").textContent = [...$$(".drawn:not([id])", quote)].map((line) => line.textContent.trim()).join(" ");
}

// --- a message that asks for nothing goes by itself, unless someone is at it
function fade(toast) {
  toast.dataset.fades = "";
  setTimeout(() => (toast.matches(":hover, :focus-within") ? fade(toast) : toast.remove()), 10000);
}

function dress() {
  for (const toast of $$("#flash .toast:not([data-tone=danger], [data-tone=warn], [data-fades])")) fade(toast);
  for (const player of $$(".player")) dressPlayer(player);
  for (const time of $$("time[data-when]")) dressTime(time);
  for (const link of $$("[data-mirrors]")) mirror(link);
  if (navigator.clipboard) for (const button of $$("[data-copy][hidden]")) button.hidden = false;
}
dress();
announce(true);
// The chosen type may stand far along the strip.
for (const strip of $$(".types")) {
  const chosen = $("label:has(:checked)", strip);
  if (chosen) strip.scrollLeft = chosen.offsetLeft - strip.offsetLeft - strip.clientWidth / 2 + chosen.clientWidth / 2;
}

// "Show more" goes away with its answer: the focus moves on to the first card that came.
let wantsMore = false;
document.addEventListener("click", (event) => { if (event.target.closest(".more a")) wantsMore = true; });

document.addEventListener("htmx:after:swap", (event) => {
  dress();
  if (wantsMore && !$(".more .htmx-request")) {
    wantsMore = false;
    [...$$(".page-of-videos")].at(-1)?.querySelector("h3 a")?.focus();
  }
  announce(false);
  tellMaker();
  // The page of a video shows its card while it is made: when that is over, it becomes the player's page.
  if ($("[data-reload-when-done] > .card[data-status=completed]")) location.reload();
  // A form that came back with a message: go to the first marked field, or to the message.
  if ([402, 422, 429].includes(event.detail.ctx?.response?.status)) ($("[aria-invalid=true]") ?? $("#composer-error"))?.focus();
});
