/**
 * Tell what happens to the page: it is put to sleep (`suspend`), shown again (`resume`), may have slept or been without a
 * network (`wake`), or is looked at again (`shown`). Return a function that ends it.
 */
export function watchPage({ window, document }, { suspend, resume, wake, shown }) {
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
