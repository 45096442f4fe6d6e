/**
 * Tells what happens to the page: it is put to sleep (`suspend`), shown again (`resume`), may have slept or been without
 * a network (`wake`), or is looked at again (`shown`).
 */
export class Page {
    #adapters;
    #on;
    #controller = null;

    constructor({ adapters, on }) {
        this.#adapters = adapters;
        this.#on = on;
    }

    watch() {
        this.unwatch();
        const { signal } = (this.#controller = new AbortController());
        const { window, document } = this.#adapters;
        const on = this.#on;
        const listen = (target, type, fn) => target?.addEventListener(type, fn, { signal });
        listen(window, "pagehide", () => on.suspend());
        listen(window, "pageshow", () => on.resume());
        listen(window, "online", () => on.wake());
        // These two fire on the document, not on the window.
        listen(document, "freeze", () => on.suspend());
        listen(document, "resume", () => on.resume());
        listen(document, "visibilitychange", () => document.visibilityState === "visible" && on.shown());
    }

    unwatch() {
        this.#controller?.abort();
    }
}
