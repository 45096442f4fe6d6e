/** Page lifecycle events. */

/**
 * Map page events to calls: `suspend()` (back/forward cache, frozen), `resume()` (restored), `wake()` (network is back) and
 * `shown()` (visible again). Returns a function that removes the listeners.
 */
export function watchPageEvents({ window, document }, { suspend, resume, wake, shown }) {
    const controller = new AbortController();
    const { signal } = controller;
    for (const [target, type, fn] of [
        [window, "pagehide", suspend],
        [window, "pageshow", resume],
        [window, "online", wake],
        // These two fire on the document, not on the window.
        [document, "freeze", suspend],
        [document, "resume", resume],
        [document, "visibilitychange", () => document.hidden || shown()],
    ]) {
        target?.addEventListener(type, fn, { signal });
    }
    return () => controller.abort();
}
