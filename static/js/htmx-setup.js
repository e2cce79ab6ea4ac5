// What htmx needs from us. A classic script, so that it listens before htmx sends anything.
(() => {
  const token = () => document.querySelector('meta[name="csrf-token"]')?.content ?? "";
  const isUnsafe = (method) => !["GET", "HEAD", "OPTIONS"].includes(method);

  // The token goes in a header: fragments carry none, so a card may be cached and stays short.
  document.addEventListener("htmx:config:request", (event) => {
    const request = event.detail.ctx.request;
    if (isUnsafe(request.method)) request.headers["X-CSRFToken"] = token();
  });

  // No answer, or one that is not ours: a poll stays silent and tries again, an act of the visitor is told.
  const tell = (event) => {
    const { request, response, text } = event.detail.ctx ?? {};
    const isOurs = response && (response.status < 500 || text?.includes('id="flash"'));
    if (!request || isOurs || !isUnsafe(request.method)) return;
    document.getElementById("flash").append(document.getElementById("offline").content.cloneNode(true));
  };
  document.addEventListener("htmx:error", tell);
  document.addEventListener("htmx:response:error", tell);
})();
