import { probeDelayMs, reconnectDelayMs } from "./backoff.js";
import { Connection } from "./connection.js";
import { CLOSE } from "./protocol.js";
import { Timer } from "./timer.js";

const ASLEEP = new Set(["stopped", "suspended", "signedout"]);

/**
 * Decides when there is a socket and how often the inbox is asked. The only writer of `state`:
 *
 *     stopped     nothing                                       start()
 *     connecting  socket opening, polls armed                   hello + synced → live; closed → waiting
 *     live        socket, rare syncs                            closed or silent → waiting
 *     waiting     backing off, polls armed                      timer → connecting; 3 failures or 30 s → polling
 *     polling     polls; sockets are only tried now and then    hello + synced, up for 10 s → live
 *     suspended   nothing: the page sleeps                      resume() → connecting
 *     signedout   nothing: there is no session                  start()
 */
export class Lifecycle {
    #adapters;
    #url;
    #timings;
    #sync;
    #on;
    #connection = null;
    #syncedFrom = Infinity; // number of the first sync that began after hello
    #failures = 0; // of sockets, since one lived for settleMs
    #probes = 0;
    #awayUntilMs = -Infinity; // the server asked us not to come back before
    #retry;
    #settle;
    #giveUp;
    #wake;

    state = "stopped";

    /** `on` has `state(change)`, `hello(payload)`, `frame(frame)` and `otherUser()`. */
    constructor({ adapters, url, timings, sync, on }) {
        this.#adapters = adapters;
        this.#url = url;
        this.#timings = timings;
        this.#sync = sync;
        this.#on = on;
        this.#retry = new Timer(adapters, () => this.#connect());
        this.#settle = new Timer(adapters, () => this.#settled());
        this.#giveUp = new Timer(adapters, () => this.#poll(null, null));
        this.#wake = new Timer(adapters, () => this.#woken());
    }

    get asleep() {
        return ASLEEP.has(this.state);
    }

    /** True while a socket has said hello. */
    get up() {
        return this.#connection?.up ?? false;
    }

    send(frame) {
        return this.#connection?.send(frame) ?? false;
    }

    start() {
        if (this.asleep) {
            this.#begin();
        }
    }

    stop() {
        this.#lieDown("stopped");
    }

    suspend() {
        if (!this.asleep) {
            this.#lieDown("suspended");
        }
    }

    resume() {
        if (this.state === "suspended") {
            this.#begin();
            this.#sync.soon(0);
        }
    }

    signOut(code = null) {
        if (!this.asleep) {
            this.#lieDown("signedout", code);
        }
    }

    /** The network may be back, or the computer was asleep. Soon, but not in the same moment as everybody else. */
    wake() {
        if (!this.asleep && !this.#wake.armed) {
            this.#wake.start(this.#adapters.random() * this.#timings.wakeSpreadMs);
        }
    }

    /** Somebody looks at the page again. One that is live, or just connecting, needs nothing. */
    shown() {
        if (this.state === "waiting" || this.state === "polling") {
            this.wake();
        }
    }

    /** The sync with this number has brought the unread set. */
    synced(number) {
        if (!this.up || number < this.#syncedFrom) {
            return;
        }
        if (this.state === "connecting") {
            this.#giveUp.stop();
            this.#settle.start(this.#timings.settleMs);
            this.#set("live");
        } else if (this.state === "polling" && !this.#settle.armed) {
            this.#settle.start(this.#timings.settleMs);
        }
    }

    /** Give the socket up, since it belongs to somebody else now, and take another one. */
    reconnect() {
        if (this.#connection) {
            this.#connection.close();
            this.#down(null);
        }
    }

    /** Take changed intervals into account. */
    pace() {
        if (!this.asleep) {
            this.#sync.pace(this.state === "live" ? this.#timings.syncMs : this.#timings.pollMs);
        }
    }

    #begin() {
        this.#failures = 0;
        this.#probes = 0;
        this.#awayUntilMs = -Infinity;
        if (!this.#adapters.WebSocket) {
            this.#poll(null, null);
            return;
        }
        this.#giveUp.start(this.#timings.giveUpMs);
        this.#set("connecting");
        this.#sync.soon(this.#timings.firstSyncMs);
        this.#connect();
    }

    #lieDown(state, code = null) {
        for (const timer of [this.#retry, this.#settle, this.#giveUp, this.#wake]) {
            timer.stop();
        }
        this.#connection?.close();
        this.#connection = null;
        this.#sync.pause();
        this.#set(state, code);
    }

    #connect() {
        if (this.asleep || this.#connection || !this.#adapters.WebSocket) {
            return;
        }
        this.#retry.stop();
        const connection = new Connection({
            adapters: this.#adapters,
            url: this.#url,
            timings: this.#timings,
            on: {
                hello: (payload) => this.#hello(payload),
                frame: (frame) => this.#on.frame(frame),
                down: (code) => this.#down(code),
            },
        });
        this.#connection = connection;
        this.#syncedFrom = Infinity;
        connection.open();
        if (this.state === "waiting") {
            this.#set("connecting");
        }
    }

    #hello(payload) {
        this.#syncedFrom = this.#sync.started + 1;
        this.#on.hello(payload);
        if (this.up) {
            this.pace();
            this.#sync.refresh();
        }
    }

    #settled() {
        this.#failures = 0;
        if (this.state === "polling") {
            this.#set("live");
        }
    }

    #down(code) {
        this.#connection = null;
        this.#settle.stop();
        if (code === CLOSE.NO_SESSION) {
            this.signOut(code);
            return;
        }
        if (code === CLOSE.OTHER_USER) {
            this.#on.otherUser();
        }
        this.#failures += 1;
        const askedMs = this.#askedToStayAwayMs(code);
        this.#awayUntilMs = this.#adapters.now() + (askedMs ?? 0);
        if (this.state === "polling") {
            this.#probeLater(askedMs);
        } else if (askedMs !== null || this.#failures >= this.#timings.giveUpFailures) {
            this.#poll(askedMs, code);
        } else {
            this.#retry.start(reconnectDelayMs(this.#failures - 1, this.#timings, this.#adapters.random));
            if (!this.#giveUp.armed) {
                this.#giveUp.start(this.#timings.giveUpMs);
            }
            this.#set("waiting", code);
        }
    }

    #askedToStayAwayMs(code) {
        switch (code) {
            case CLOSE.TOO_MANY_SOCKETS:
            case CLOSE.OLD_DIALECT:
                return this.#timings.crowdedMs;
            case CLOSE.TOO_MANY_FRAMES:
                return this.#timings.throttledMs;
            default:
                return null;
        }
    }

    /** Go over to polling; a socket that is still opening goes on as a probe. */
    #poll(askedMs, code) {
        this.#giveUp.stop();
        this.#probes = 0;
        if (!this.#connection && this.#adapters.WebSocket) {
            this.#probeLater(askedMs);
        }
        this.#set("polling", code);
        if (this.state === "polling") {
            this.#sync.soon(0);
        }
    }

    #probeLater(askedMs) {
        this.#retry.start(askedMs ?? probeDelayMs(this.#probes, this.#timings, this.#adapters.random));
        this.#probes += 1;
    }

    #woken() {
        this.#probes = 0;
        if (this.#connection) {
            this.#connection.probe();
        } else if (this.#adapters.now() >= this.#awayUntilMs) {
            this.#connect();
        }
        this.#sync.soon(0);
    }

    #set(state, code = null) {
        const previous = this.state;
        if (state === previous) {
            return;
        }
        this.state = state;
        if (!this.asleep) {
            // Nothing was missed while the page was live: the minute counts from now.
            const sinceMs = previous === "live" ? this.#adapters.now() : -Infinity;
            this.#sync.pace(state === "live" ? this.#timings.syncMs : this.#timings.pollMs, sinceMs);
        }
        this.#on.state({ state, previous, code });
    }
}
