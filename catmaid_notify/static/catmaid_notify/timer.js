/** One slot for one pending call: starting it again replaces what was pending. */
export class Timer {
    #adapters;
    #fn;
    #handle = null;

    constructor(adapters, fn) {
        this.#adapters = adapters;
        this.#fn = fn;
    }

    get armed() {
        return this.#handle !== null;
    }

    start(delayMs) {
        this.stop();
        this.#handle = this.#adapters.setTimeout(() => {
            this.#handle = null;
            this.#fn();
        }, Math.max(0, delayMs));
    }

    stop() {
        this.#adapters.clearTimeout(this.#handle);
        this.#handle = null;
    }
}
