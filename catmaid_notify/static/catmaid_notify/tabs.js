import { CLAIM_MS, LEADER_ANSWER_MS, LEADER_QUIET_MS } from "./backoff.js";
import { Timer } from "./timer.js";

/**
 * The tabs of one user on one site in one browser: one of them leads and has the socket, the others follow.
 *
 * A lock says who leads. A channel carries what the leader receives to the others, and what they send to it. A leader that
 * is silent for too long loses the lock. Where there are no locks, every tab leads itself; the channel is there all the same.
 */
export class Tabs {
    #adapters;
    #on;
    #name;
    #channel = null;
    #membership = null; // AbortController
    #leader = null; // id of the tab that is followed
    #hello = null; // what the leader of the others, this tab, has to say
    #isAsked = false;
    #quiet;
    #claims = new Map(); // key → {resolve, timer}, while others may object
    #taken = new Set(); // keys that some tab has got

    /** Tells this tab from the others. */
    id;
    leads = false;

    /**
     * `on` has `lead()`, `lose()`, `follow(hello)` with `null` while the leader has no socket, `frame(frame)`, and, for the
     * leader, `send(frame, tab)` and `leave(tab)`.
     */
    constructor({ adapters, on }) {
        this.#adapters = adapters;
        this.#on = on;
        this.#quiet = new Timer(adapters, () => this.#silent());
        this.id = String(adapters.random());
    }

    get joined() {
        return this.#membership !== null;
    }

    /** Become one of the tabs of this name, to lead or to follow. */
    join(name) {
        this.listen(name);
        this.#contend(false);
        if (!this.leads) {
            this.#hear();
            this.#post({ ask: true });
        }
    }

    /** Hear the others, and take no part. */
    listen(name) {
        this.leave();
        this.#name = name;
        const { BroadcastChannel } = this.#adapters;
        if (BroadcastChannel) {
            this.#channel = new BroadcastChannel(name);
            this.#channel.onmessage = ({ data }) => this.#receive(data);
        }
    }

    leave() {
        this.#post({ bye: true });
        this.#channel?.close(); // what is still on its way here is dropped
        this.#channel = null;
        this.#membership?.abort();
        this.#membership = null;
        this.#leader = null;
        this.#quiet.stop();
        this.leads = false;
        for (const key of this.#claims.keys()) {
            this.#settle(key, true);
        }
    }

    /** Tell the others, as their leader, that there is a socket that said hello, or, with `null`, that there is none. */
    tell(hello) {
        this.#hello = hello;
        this.#post({ lead: hello });
    }

    /** Hand on, as the leader, a frame that came over the socket. */
    relay(frame) {
        if (this.#adapters.locks) {
            this.#post({ frame });
        }
    }

    /** Hand a frame to the leader, for the server. */
    send(frame) {
        this.#post({ send: frame });
    }

    /** Hand all tabs a frame, as if it had come over the socket. */
    share(frame) {
        this.#post({ share: frame });
    }

    /** Resolves to whether this is the tab, of all that ask or ever asked, that gets `key`. */
    claim(key) {
        if (this.#taken.has(key) || this.#claims.has(key)) {
            return Promise.resolve(false);
        }
        return new Promise((resolve) => {
            const timer = new Timer(this.#adapters, () => this.#take(key, true));
            this.#claims.set(key, { resolve, timer });
            timer.start(CLAIM_MS);
            this.#post({ claim: key });
        });
    }

    #post(data) {
        this.#channel?.postMessage({ ...data, from: this.id });
    }

    #receive({ from, ask, bye, claim, frame, lead, send, share, taken }) {
        if (share) {
            this.#on.frame(share);
        } else if (taken) {
            this.#take(taken, false);
        } else if (claim) {
            this.#object(claim, from);
        } else if (this.leads) {
            if (ask) {
                this.tell(this.#hello);
            } else if (bye) {
                this.#on.leave(from);
            } else if (send) {
                this.#on.send(send, from);
            }
        } else if (lead !== undefined) {
            this.#leader = from;
            this.#hear();
            this.#on.follow(lead);
        } else if (from === this.#leader && frame) {
            this.#hear();
            this.#on.frame(frame);
        }
    }

    /** Of two tabs that claim the same in the same moment, the one with the smaller id gets it. */
    #object(key, from) {
        if (this.#taken.has(key)) {
            this.#post({ taken: key });
        } else if (from < this.id) {
            this.#settle(key, false);
        } else if (this.#claims.has(key)) {
            this.#post({ claim: key });
        }
    }

    #take(key, isMine) {
        this.#taken.add(key);
        if (isMine) {
            this.#post({ taken: key });
        }
        this.#settle(key, isMine);
    }

    #settle(key, isMine) {
        const claim = this.#claims.get(key);
        this.#claims.delete(key);
        claim?.timer.stop();
        claim?.resolve(isMine);
    }

    #hear() {
        this.#isAsked = false;
        if (this.joined) {
            // Not all at once: the answer to one tab is one to all.
            this.#quiet.start(LEADER_QUIET_MS * (1 - 0.2 * this.#adapters.random()));
        }
    }

    #silent() {
        if (this.#isAsked) {
            this.#contend(true);
        } else {
            this.#isAsked = true;
            this.#post({ ask: true });
            this.#quiet.start(LEADER_ANSWER_MS);
        }
    }

    #contend(steal) {
        const { locks } = this.#adapters;
        if (!locks) {
            this.#membership = new AbortController();
            this.#lead();
            return;
        }
        this.#membership?.abort();
        const membership = new AbortController();
        const { signal } = membership;
        this.#membership = membership;
        const hold = () =>
            new Promise((resolve) => {
                if (signal.aborted) {
                    resolve();
                } else {
                    signal.onabort = resolve;
                    this.#lead();
                }
            });
        locks.request(this.#name, steal ? { steal } : { signal }, hold).catch(({ name }) => {
            if (signal.aborted) {
                return;
            }
            if (name === "AbortError") {
                this.join(this.#name); // another tab has stolen the lock
                this.#on.lose();
            } else {
                this.#lead(); // no locks here, in a sandboxed frame say
            }
        });
    }

    #lead() {
        this.leads = true;
        this.#quiet.stop();
        this.tell(null);
        this.#on.lead();
    }
}
