/** Let everything that waits for promises run, as the browser does between two timers. */
export const flush = () => new Promise((resolve) => setImmediate(resolve));

/** Time that stands still until `advance` moves it. */
export class FakeClock {
    #nowMs = 0;
    #next = 1;
    #timers = new Map(); // handle → {atMs, fn}

    now = () => this.#nowMs;

    setTimeout = (fn, delayMs) => {
        const handle = this.#next++;
        this.#timers.set(handle, { atMs: this.#nowMs + delayMs, fn });
        return handle;
    };

    clearTimeout = (handle) => {
        this.#timers.delete(handle);
    };

    /** Number of armed timers. */
    get armed() {
        return this.#timers.size;
    }

    /** Move on by `byMs`, and call what falls due on the way at its time. */
    async advance(byMs) {
        const untilMs = this.#nowMs + byMs;
        await flush();
        for (;;) {
            const due = [...this.#timers].filter(([, timer]) => timer.atMs <= untilMs);
            if (due.length === 0) {
                break;
            }
            const [handle, timer] = due.reduce((a, b) => (b[1].atMs < a[1].atMs ? b : a));
            this.#timers.delete(handle);
            this.#nowMs = Math.max(this.#nowMs, timer.atMs);
            timer.fn();
            await flush();
        }
        this.#nowMs = untilMs;
    }
}
