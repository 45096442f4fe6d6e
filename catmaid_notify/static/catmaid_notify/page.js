/**
 * Tells what happens to the page: it is put to sleep (`suspend`), shown again (`resume`), or may have slept or been without
 * a network (`wake`).
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
        if (this.#controller) {
            return;
        }
        this.#controller = new AbortController();
        const { window, document } = this.#adapters;
        const on = this.#on;
        this.#listen(window, "pagehide", () => on.suspend());
        this.#listen(window, "pageshow", () => on.resume());
        this.#listen(window, "online", () => on.wake());
        // These two fire on the document, not on the window.
        this.#listen(document, "freeze", () => on.suspend());
        this.#listen(document, "resume", () => on.resume());
        this.#listen(document, "visibilitychange", () => document.visibilityState === "visible" && on.shown());
    }

    unwatch() {
        this.#controller?.abort();
        this.#controller = null;
    }

    #listen(target, type, fn) {
        target?.addEventListener(type, fn, { signal: this.#controller.signal });
    }
}
