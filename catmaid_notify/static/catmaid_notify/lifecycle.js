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
import { connect } from "./connection.js";
import { NO_SESSION, OLD_DIALECT, OTHER_USER, SUBPROTOCOL, TOO_MANY_FRAMES, TOO_MANY_SOCKETS } from "./protocol.js";
import { makeTabs } from "./tabs.js";
import { makeTimer } from "./timer.js";

/** For how long a server doesn't want to see the client. */
const AWAY_MS = { [TOO_MANY_SOCKETS]: CROWDED_MS, [OLD_DIALECT]: CROWDED_MS, [TOO_MANY_FRAMES]: THROTTLED_MS };

/**
 * Return what decides when there is a socket and how often the inbox is asked. The only writer of `state`:
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
 *
 * `on` has `state(change)`, `user()`, `hello(payload)`, `frame(frame)` and `otherUser()`; `shared(frame, tab, connection)`
 * hears what another tab wants to send over this one's socket, without a frame when that tab is gone.
 */
export function makeLifecycle({ adapters, url, intervals, sync, on }) {
    const { random } = adapters;
    const tabs = makeTabs({
        adapters,
        on: {
            lead,
            lose: down,
            follow,
            frame: on.frame,
            send: (frame, tab) => connection && on.shared(frame, tab, connection),
        },
    });
    const retry = makeTimer(adapters, enter);
    const settling = makeTimer(adapters, settled);
    const giveUp = makeTimer(adapters, poll);
    const waking = makeTimer(adapters, woken);
    let state = "stopped";
    let connection = null;
    let syncedFrom = Infinity; // number of the first sync that began after hello; without hello there is none
    let failures = 0; // of sockets, since one lived for SETTLE_MS
    let probes = 0;
    let awayMs = 0; // how long the server doesn't want to see us, after our latest socket

    const isAsleep = () => ["stopped", "suspended", "signedout"].includes(state);
    /** Whether nothing is missed, and so the inbox need not be polled. */
    const isGood = () => state === "live" || state === "follower";
    /** Whether a socket, ours or another tab's, has said hello. */
    const isUp = () => syncedFrom < Infinity;
    const goal = () => (tabs.leads ? "live" : "follower");
    /** Two sites, or two users one after the other, have nothing to do with each other. */
    const group = () => `${SUBPROTOCOL} ${on.user()} ${url}`;

    function set(next, code = null) {
        const previous = state;
        if (next !== previous) {
            const wasGood = isGood();
            state = next;
            if (!isAsleep()) {
                pace(wasGood); // nothing was missed while the page was live: the minute counts from now
            }
            on.state({ state, previous, code });
        }
    }

    function pace(afresh) {
        sync.pace(isGood() ? intervals.syncMs : intervals.pollMs, afresh);
    }

    function begin() {
        failures = probes = awayMs = 0;
        if (!adapters.WebSocket) {
            poll();
            return;
        }
        giveUp.start(GIVE_UP_MS);
        set("connecting");
        sync.soon(FIRST_SYNC_MS);
        enter();
    }

    function lieDown(next, code) {
        for (const timer of [retry, settling, giveUp, waking]) {
            timer.stop();
        }
        disconnect();
        tabs.leave();
        if (next === "signedout") {
            tabs.listen(group());
        }
        sync.pause();
        set(next, code);
    }

    /** Join the user's other tabs, and open a socket if it is on this one to do it. */
    function enter() {
        if (isAsleep() || connection) {
            return;
        }
        if (tabs.leads) {
            open();
        } else if (!on.user()) {
            sync.refresh(); // nobody knows yet whose tab this is
        } else if (!tabs.joined) {
            tabs.join(group());
        }
    }

    function open() {
        retry.stop();
        connection = connect({
            adapters,
            url,
            intervals,
            on: {
                hello: greeted,
                frame(frame) {
                    tabs.relay(frame);
                    on.frame(frame);
                },
                down,
            },
        });
        if (state !== "polling") {
            set("connecting");
        }
    }

    function disconnect() {
        connection?.close();
        connection = null;
        syncedFrom = Infinity;
    }

    function greeted(payload) {
        syncedFrom = sync.started + 1;
        on.hello(payload);
        if (isUp()) {
            tabs.tell(payload);
            pace();
            sync.refresh();
        }
    }

    /** This tab is the one that has the socket from now on. */
    function lead() {
        syncedFrom = Infinity;
        settling.stop();
        if (isGood()) {
            giveUp.start(GIVE_UP_MS);
        }
        enter();
    }

    function follow(hello) {
        if (state === "signedout") {
            if (hello) {
                begin();
            }
        } else if (hello && !isUp()) {
            if (state === "waiting") {
                set("connecting");
            }
            greeted(hello);
        } else if (!hello && isUp()) {
            down();
            if (hello === false) {
                sync.soon(0);
            }
        }
    }

    function settled() {
        failures = 0;
        if (state === "polling") {
            set(goal());
        }
    }

    function down(code = null) {
        const isSilent = code === null && state === "live";
        disconnect();
        settling.stop();
        if (code === NO_SESSION) {
            signOut(code);
            return;
        }
        tabs.tell(isSilent ? false : null);
        if (code === OTHER_USER) {
            tabs.leave();
            on.otherUser();
        }
        failures += 1;
        awayMs = AWAY_MS[code] ?? 0;
        if (state === "polling") {
            probeLater();
        } else if (awayMs || failures >= GIVE_UP_FAILURES) {
            poll(code);
        } else {
            retry.start(reconnectDelayMs(failures - 1, random));
            if (!giveUp.armed) {
                giveUp.start(GIVE_UP_MS);
            }
            set("waiting", code);
            if (isSilent) {
                sync.soon(0); // what was sent in the meantime has not arrived
            }
        }
    }

    /** Go over to polling; a socket that is still opening goes on as a probe. */
    function poll(code) {
        giveUp.stop();
        probes = 0;
        if (!connection) {
            probeLater();
        }
        set("polling", code);
        sync.soon(0);
    }

    function probeLater() {
        retry.start(awayMs || probeDelayMs(probes++, random));
    }

    function woken() {
        probes = 0;
        if (connection) {
            connection.probe();
        } else if (awayMs === 0) {
            enter();
        }
        sync.soon(0);
    }

    function signOut(code) {
        if (!isAsleep()) {
            lieDown("signedout", code);
        }
    }

    /** The network may be back, or the computer was asleep. Soon, but not in the same moment as everybody else. */
    function wake() {
        if (!isAsleep() && !waking.armed) {
            waking.start(random() * WAKE_SPREAD_MS);
        }
    }

    /** Send a frame; return whether a socket, ours or another tab's, takes it. */
    function send(frame) {
        if (tabs.leads) {
            return connection?.send(frame) ?? false;
        }
        if (isUp()) {
            tabs.send(frame);
        }
        return isUp();
    }

    return {
        tabs,
        get state() {
            return state;
        },
        /** This tab's own socket, or `null`. */
        get connection() {
            return connection;
        },
        isAsleep,
        isGood,
        enter,
        send,
        signOut,
        wake,

        start() {
            if (isAsleep()) {
                begin();
            }
        },

        stop: () => lieDown("stopped"),

        suspend() {
            if (state !== "stopped") {
                lieDown("suspended");
            }
        },

        resume() {
            if (state === "suspended") {
                begin();
                sync.soon(0);
            }
        },

        /** Somebody looks at the page again. One that is live, or just connecting, needs nothing. */
        shown() {
            if (state === "waiting" || state === "polling") {
                wake();
            }
        },

        /** The latest request has brought the unread set. */
        synced() {
            if (sync.started >= syncedFrom) {
                if (state === "connecting") {
                    giveUp.stop();
                    settling.start(SETTLE_MS);
                    set(goal());
                } else if (state === "polling" && !settling.armed) {
                    settling.start(SETTLE_MS);
                }
            }
        },

        /** The socket, if there is one, belongs to somebody else now: leave it, and those who share it. */
        part() {
            tabs.leave();
            down();
        },
    };
}
