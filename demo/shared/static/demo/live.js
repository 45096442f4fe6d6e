/** The notifier of catmaid_notify, and what the page says about its connection. */

/** Resolves to the notifier that {% catmaid_notify %} starts. */
export function notifierOfPage() {
  if (window.catmaidNotify) return Promise.resolve(window.catmaidNotify);
  return new Promise((resolve) => {
    document.addEventListener("catmaid-notify:ready", ({ detail }) => resolve(detail.notifier), { once: true });
  });
}

/** Say in `element` how changes come in. */
export function showConnection(notifier, element) {
  function show() {
    const isLive = notifier.state === "live" || notifier.state === "follower";
    element.dataset.live = String(isLive);
    element.textContent = isLive ? "Live: changes appear at once." : "No connection: changes appear within a minute.";
  }
  notifier.on("state", show);
  show();
}
