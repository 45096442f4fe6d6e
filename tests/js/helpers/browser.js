import { FakeClock, flush } from "./clock.js";
import { FakeServer } from "./server.js";
import { makeSite } from "./site.js";

/**
 * A browser with several tabs on one server: `await browser.open()` gives what `makeSite` gives, started, and these:
 *
 * - `close()`, as people do it, and `crash()`: the tab is gone without a word;
 * - `hang()`, `recover()`: nothing of it runs meanwhile, and then all that has come in;
 * - `adapters`: what its surroundings are, for what isn't part of the notifier.
 */
export class FakeBrowser {
    clock = new FakeClock();
    server = new FakeServer(this.clock);
    #channels = new Set();
    #locks = new FakeLocks();
    #isSecure;
    #count = 0;

    constructor({ isSecure = true } = {}) {
        this.#isSecure = isSecure;
    }

    /** Open channels and held or wanted locks, which is what a page may leave behind. */
    get left() {
        return this.#channels.size + this.#locks.size;
    }

    async open(options = {}) {
        const tab = new FakeTab();
        const browser = this;
        const locks = this.#locks;
        const { clock, server } = this;
        let random = ++this.#count / 1000;
        class BroadcastChannel extends FakeChannel {
            constructor(name) {
                super(name, tab, browser.#channels);
            }
        }
        const adapters = {
            BroadcastChannel,
            locks: this.#isSecure ? { request: (...args) => locks.request(tab, ...args) } : undefined,
            setTimeout: (fn, delayMs) => {
                // A timer that fell due while the tab hung can still be cleared.
                const timer = { fn };
                timer.handle = clock.setTimeout(() => tab.run(() => timer.fn?.()), delayMs);
                return timer;
            },
            clearTimeout: (timer) => {
                clock.clearTimeout(timer?.handle);
                delete timer?.fn;
            },
            WebSocket: class extends server.WebSocket {
                tab = tab;
                send(data) {
                    super.send(data);
                    if (JSON.parse(data).event === "ping") {
                        clock.setTimeout(() => this.readyState === 1 && this.push({ event: "pong" }), 10);
                    }
                }
                push(frame) {
                    tab.run(() => super.push(frame));
                }
                drop(code) {
                    tab.run(() => super.drop(code));
                }
            },
            ...options.adapters,
        };
        const site = makeSite({ random: () => (random = (random * 7.3 + 0.117) % 1), ...options, adapters, clock, server });
        site.notifier.start();
        await clock.advance(0);
        return Object.assign(site, {
            adapters: { ...adapters, random: () => this.#count / 1000, document: site.document, window: site.window },
            close: async () => {
                site.window.fire("pagehide");
                await site.crash();
            },
            crash: async () => {
                tab.state = "dead";
                server.sockets.filter((socket) => socket.tab === tab).forEach((socket) => (socket.readyState = 3));
                locks.drop(tab);
                await flush();
            },
            hang: () => (tab.state = "hanging"),
            recover: async () => {
                tab.recover();
                await clock.advance(0);
            },
        });
    }
}

class FakeTab {
    state = "running";
    #waiting = [];

    run(fn) {
        if (this.state === "running") {
            fn();
        } else {
            this.#waiting.push(fn);
        }
    }

    recover() {
        this.state = "running";
        this.#waiting.splice(0).forEach((fn) => fn());
    }
}

class FakeChannel {
    onmessage = null;
    #name;
    #tab;
    #all;

    constructor(name, tab, all) {
        this.#name = name;
        this.#tab = tab;
        this.#all = all;
        all.add(this);
    }

    postMessage(data) {
        if (!this.#all.has(this)) {
            throw new Error("InvalidStateError");
        }
        for (const other of this.#all) {
            if (other !== this && other.#name === this.#name) {
                const copy = structuredClone(data);
                queueMicrotask(() => other.#tab.run(() => other.#all.has(other) && other.onmessage?.({ data: copy })));
            }
        }
    }

    close() {
        this.#all.delete(this);
    }
}

/** Web Locks, as far as we use them: one holder a name, a queue, stealing, and aborting while in the queue. */
class FakeLocks {
    #held = new Map(); // name → {tab, reject}
    #queue = []; // {name, tab, grant, reject}

    get size() {
        return this.#held.size + this.#queue.length;
    }

    request(tab, name, { signal, steal = false }, hold) {
        return new Promise((resolve, reject) => {
            const grant = () => {
                const held = { tab, reject };
                this.#held.set(name, held);
                const run = async () => {
                    await hold();
                    if (this.#held.get(name) === held) {
                        this.#held.delete(name);
                        this.#next(name);
                    }
                    resolve();
                };
                queueMicrotask(() => tab.run(run));
            };
            const robbed = this.#held.get(name);
            if (steal && robbed) {
                robbed.tab.run(() => robbed.reject(new DOMException("stolen", "AbortError")));
            }
            if (steal || !robbed) {
                grant();
                return;
            }
            const wish = { name, tab, grant };
            this.#queue.push(wish);
            signal?.addEventListener("abort", () => {
                this.#queue = this.#queue.filter((one) => one !== wish);
                reject(signal.reason);
            });
        });
    }

    drop(tab) {
        this.#queue = this.#queue.filter((wish) => wish.tab !== tab);
        for (const [name, held] of [...this.#held]) {
            if (held.tab === tab) {
                this.#held.delete(name);
                this.#next(name);
            }
        }
    }

    #next(name) {
        const wish = this.#queue.find((one) => one.name === name);
        if (wish) {
            this.#queue = this.#queue.filter((one) => one !== wish);
            wish.grant();
        }
    }
}
