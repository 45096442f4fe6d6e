import {
    CROWDED_MS,
    FIRST_SYNC_MS,
    GIVE_UP_FAILURES,
    GIVE_UP_MS,
    probeDelayMs,
    reconnectDelayMs,
    SETTLE_MS,
    THROTTLED_MS,
    WAKE_SPREAD_MS,
} from "./backoff.js";
import { Connection } from "./connection.js";
import { NO_SESSION, OLD_DIALECT, OTHER_USER, SUBPROTOCOL, TOO_MANY_FRAMES, TOO_MANY_SOCKETS } from "./protocol.js";
import { Tabs } from "./tabs.js";
import { Timer } from "./timer.js";
import { SharedTopics } from "./topics.js";

/**
 * Decides when there is a socket and how often the inbox is asked. The only writer of `state`:
 *
 *     stopped     nothing                                       start()
 *     connecting  socket opening, polls armed                   hello + synced → live; closed → waiting
 *     live        socket, rare syncs                            closed or silent → waiting
 *     follower    another tab has the socket, rare syncs        its socket is closed → waiting; it is gone → connecting
 *     waiting     backing off, polls armed                      timer → connecting; 3 failures or 30 s → polling
 *     polling     polls; sockets are only tried now and then    hello + synced, up for 10 s → live
 *     suspended   nothing: the page sleeps                      resume() → connecting
 *     signedout   nothing: there is no session                  start(), or another tab says hello → connecting
 *
 * In a tab that doesn't lead, "hello" is the leader's word that its socket is open, and `follower` is what `live` is.
 */
export class Lifecycle {
    #adapters;
    #url;
    #intervals;
    #sync;
    #on;
    #tabs;
    #shared = new SharedTopics();
    #connection = null;
    #syncedFrom = Infinity; // number of the first sync that began after hello; without hello there is none
    #failures = 0; // of sockets, since one lived for settleMs
    #probes = 0;
    #awayUntilMs = 0; // the server asked us not to come back before
    #retry;
    #settle;
    #giveUp;
    #wake;

    state = "stopped";

    /** `on` has `state(change)`, `user()`, `hello(payload)`, `frame(frame)` and `otherUser()`. */
    constructor({ adapters, url, intervals, sync, on }) {
        this.#adapters = adapters;
        this.#url = url;
        this.#intervals = intervals;
        this.#sync = sync;
        this.#on = on;
        this.#retry = new Timer(adapters, () => this.enter());
        this.#settle = new Timer(adapters, () => this.#settled());
        this.#giveUp = new Timer(adapters, () => this.#poll());
        this.#wake = new Timer(adapters, () => this.#woken());
        this.#tabs = new Tabs({
            adapters,
            on: {
                lead: () => this.#lead(),
                lose: () => this.#down(),
                follow: (hello) => this.#follow(hello),
                frame: (frame) => this.#on.frame(frame),
                send: (frame, tab) => this.send(frame, tab),
                leave: (tab) => this.#shared.farewell(tab).forEach((frame) => this.send(frame, tab)),
            },
        });
    }

    get asleep() {
        return ["stopped", "suspended", "signedout"].includes(this.state);
    }

    /** True while nothing is missed, and so the inbox need not be polled. */
    get isGood() {
        return this.state === "live" || this.state === "follower";
    }

    /** True while a socket, ours or another tab's, has said hello. */
    get up() {
        return this.#syncedFrom < Infinity;
    }

    get tabs() {
        return this.#tabs;
    }

    /** Send a frame, for this tab or another one; return whether a socket took it. */
    send(frame, tab = this.#tabs.id) {
        if (this.#tabs.leads) {
            return !this.#shared.note(frame, tab) || (this.#connection?.send(frame) ?? false);
        }
        if (this.up) {
            this.#tabs.send(frame);
        }
        return this.up;
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
        if (this.state !== "stopped") {
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
            this.#wake.start(this.#adapters.random() * WAKE_SPREAD_MS);
        }
    }

    /** Somebody looks at the page again. One that is live, or just connecting, needs nothing. */
    shown() {
        if (this.state === "waiting" || this.state === "polling") {
            this.wake();
        }
    }

    /** The latest request has brought the unread set. */
    synced() {
        if (this.#sync.started < this.#syncedFrom) {
            return;
        }
        if (this.state === "connecting") {
            this.#giveUp.stop();
            this.#settle.start(SETTLE_MS);
            this.#set(this.#goal);
        } else if (this.state === "polling" && !this.#settle.armed) {
            this.#settle.start(SETTLE_MS);
        }
    }

    /** The socket, if there is one, belongs to somebody else now: leave it, and those who share it. */
    part() {
        this.#tabs.leave();
        this.#down();
    }

    /** Join the user's other tabs, and open a socket if it is on this one to do it. */
    enter() {
        if (this.asleep || this.#connection) {
            return;
        }
        if (this.#tabs.leads) {
            this.#connect();
        } else if (this.#tabs.joined) {
            return;
        } else if (this.#on.user()) {
            this.#tabs.join(this.#group);
        } else {
            this.#sync.refresh(); // nobody knows yet whose tab this is
        }
    }

    /** Two sites, or two users one after the other, have nothing to do with each other. */
    get #group() {
        return [SUBPROTOCOL, this.#on.user(), this.#url].join(" ");
    }

    get #goal() {
        return this.#tabs.leads ? "live" : "follower";
    }

    #begin() {
        this.#failures = 0;
        this.#probes = 0;
        this.#awayUntilMs = 0;
        if (!this.#adapters.WebSocket) {
            this.#poll();
            return;
        }
        this.#giveUp.start(GIVE_UP_MS);
        this.#set("connecting");
        this.#sync.soon(FIRST_SYNC_MS);
        this.enter();
    }

    #lieDown(state, code) {
        for (const timer of [this.#retry, this.#settle, this.#giveUp, this.#wake]) {
            timer.stop();
        }
        this.#disconnect();
        this.#tabs.leave();
        if (state === "signedout") {
            this.#tabs.listen(this.#group);
        }
        this.#sync.pause();
        this.#set(state, code);
    }

    #disconnect() {
        this.#connection?.close();
        this.#connection = null;
        this.#syncedFrom = Infinity;
        this.#shared.clear();
    }

    #connect() {
        this.#retry.stop();
        this.#connection = new Connection({
            adapters: this.#adapters,
            url: this.#url,
            intervals: this.#intervals,
            on: {
                hello: (payload) => this.#hello(payload),
                frame: (frame) => {
                    this.#tabs.relay(frame);
                    this.#on.frame(frame);
                },
                down: (code) => this.#down(code),
            },
        });
        this.#connection.open();
        if (this.state !== "polling") {
            this.#set("connecting");
        }
    }

    #hello(payload) {
        this.#greeted(payload);
        if (this.up) {
            this.#tabs.tell(payload);
        }
    }

    #greeted(payload) {
        this.#syncedFrom = this.#sync.started + 1;
        this.#on.hello(payload);
        if (this.up) {
            this.#pace();
            this.#sync.refresh();
        }
    }

    /** This tab is the one that has the socket from now on. */
    #lead() {
        this.#syncedFrom = Infinity;
        this.#settle.stop();
        if (this.isGood) {
            this.#giveUp.start(GIVE_UP_MS);
        }
        this.enter();
    }

    #follow(hello) {
        if (this.state === "signedout") {
            if (hello) {
                this.#begin();
            }
        } else if (hello && !this.up) {
            if (this.state === "waiting") {
                this.#set("connecting");
            }
            this.#greeted(hello);
        } else if (!hello && this.up) {
            this.#down();
        }
    }

    #settled() {
        this.#failures = 0;
        if (this.state === "polling") {
            this.#set(this.#goal);
        }
    }

    #down(code = null) {
        this.#disconnect();
        this.#settle.stop();
        if (code === NO_SESSION) {
            this.signOut(code);
            return;
        }
        if (this.#tabs.leads) {
            this.#tabs.tell(null);
        }
        if (code === OTHER_USER) {
            this.#tabs.leave();
            this.#on.otherUser();
        }
        this.#failures += 1;
        const askedMs = this.#askedToStayAwayMs(code);
        this.#awayUntilMs = this.#adapters.now() + (askedMs ?? 0);
        if (this.state === "polling") {
            this.#probeLater(askedMs);
        } else if (askedMs !== null || this.#failures >= GIVE_UP_FAILURES) {
            this.#poll(askedMs, code);
        } else {
            this.#retry.start(reconnectDelayMs(this.#failures - 1, this.#adapters.random));
            if (!this.#giveUp.armed) {
                this.#giveUp.start(GIVE_UP_MS);
            }
            const isSilent = code === null && this.state === "live";
            this.#set("waiting", code);
            if (isSilent) {
                this.#sync.soon(0); // what was sent in the meantime has not arrived
            }
        }
    }

    #askedToStayAwayMs(code) {
        return { [TOO_MANY_SOCKETS]: CROWDED_MS, [OLD_DIALECT]: CROWDED_MS, [TOO_MANY_FRAMES]: THROTTLED_MS }[code] ?? null;
    }

    /** Go over to polling; a socket that is still opening goes on as a probe. */
    #poll(askedMs = null, code = null) {
        this.#giveUp.stop();
        this.#probes = 0;
        if (!this.#connection) {
            this.#probeLater(askedMs);
        }
        this.#set("polling", code);
        this.#sync.soon(0);
    }

    #probeLater(askedMs) {
        this.#retry.start(askedMs ?? probeDelayMs(this.#probes++, this.#adapters.random));
    }

    #woken() {
        this.#probes = 0;
        if (this.#connection) {
            this.#connection.probe();
        } else if (this.#adapters.now() >= this.#awayUntilMs) {
            this.enter();
        }
        this.#sync.soon(0);
    }

    #pace(afresh) {
        this.#sync.pace(this.isGood ? this.#intervals.syncMs : this.#intervals.pollMs, afresh);
    }

    #set(state, code = null) {
        const previous = this.state;
        if (state === previous) {
            return;
        }
        const wasGood = this.isGood;
        this.state = state;
        if (!this.asleep) {
            this.#pace(wasGood); // nothing was missed while the page was live: the minute counts from now
        }
        this.#on.state({ state, previous, code });
    }
}
