// Replaces the live parts of a page when the server sends them anew; never under the keyboard.
// A page in the background lets go of its connection: browsers have six for a server.
for (const region of document.querySelectorAll("[data-live]")) {
  let latest = null;
  let source = null;
  const show = () => {
    if (latest !== null && !region.contains(document.activeElement)) {
      region.innerHTML = latest;
      latest = null;
    }
  };
  const listen = () => {
    source?.close();
    source = document.hidden ? null : new EventSource(region.dataset.live);
    if (source) source.onmessage = (event) => { latest = JSON.parse(event.data); show(); };
  };
  region.addEventListener("focusout", () => setTimeout(show));
  document.addEventListener("visibilitychange", listen);
  listen();
}
