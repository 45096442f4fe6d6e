/** Connection lifecycle: the state machine of socket and poller. */

import { NO_SESSION, OLD_DIALECT, OTHER_USER, SUBPROTOCOL, TOO_MANY_FRAMES, TOO_MANY_SOCKETS } from "../protocol.js";
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
import { makeLeaderElection } from "./leader.js";
import { makeTimer } from "./timer.js";

/** Delays before the next connection attempt, by close code. */
const HOLD_OFF_MS = { [TOO_MANY_SOCKETS]: CROWDED_MS, [OLD_DIALECT]: CROWDED_MS, [TOO_MANY_FRAMES]: THROTTLED_MS };

/**
 * Return the state machine, in state `stopped`. It alone decides when there is a socket, and how often to poll:
 *
 *     state       socket and polls                              transitions
 *     stopped     none                                          start() → connecting
 *     connecting  opening; polls                                hello and a sync after it → live; closed → waiting
 *     live        open; rare polls                              closed or silent → waiting
 *     follower    in another tab; rare polls                    that socket closed → waiting; that tab gone → connecting
 *     waiting     backing off; polls                            timer → connecting; 3 failures or 30 s → polling
 *     polling     rare attempts; polls                          hello and a sync after it, open for 10 s → live
 *     suspended   none: the page is frozen or cached            resume() → connecting
 *     signedout   none: there is no session                     start(), or another tab's hello → connecting
 *
 * In followers, `hello` stands for the leader's announcement of an open socket, and `follower` for `live`.
 *
 * The callbacks in `on`:
 *
 * - `state(change)`, `hello(payload)`, `frame(frame)`, `otherUser()`;
 * - `user()` returns the user key;
 * - `shared(frame, tab, connection)`: another tab sends a frame over this tab's socket; without a frame, that tab is gone.
 *
 * @param {object} options
 * @param {object} options.on
 */
export function makeLifecycle({ adapters, url, intervals, sync, on }) {
    const { random } = adapters;
    const election = makeLeaderElection({
        adapters,
        on: {
            lead: onLead,
            lose: onDown,
            follow: onFollow,
            frame: on.frame,
            send: (frame, tab) => connection && on.shared(frame, tab, connection),
        },
    });
    const retry = makeTimer(adapters, enter);
    const settling = makeTimer(adapters, onSettled);
    const giveUp = makeTimer(adapters, startPolling);
    const waking = makeTimer(adapters, onWake);
    let state = "stopped";
    let connection = null;
    let syncedFrom = Infinity; // number of the first sync that starts after hello; Infinity without hello
    let failures = 0; // closed sockets since one stayed open for SETTLE_MS
    let probes = 0; // connection attempts while polling
    let holdOffMs = 0; // delay that the close code of the latest socket demands

    const isAsleep = () => ["stopped", "suspended", "signedout"].includes(state);
    /** Whether messages are pushed, so that frequent polls aren't needed. */
    const hasPush = () => state === "live" || state === "follower";
    /** Whether a socket, of this tab or of its leader, is past hello. */
    const hasHello = () => syncedFrom < Infinity;
    const liveState = () => (election.leads ? "live" : "follower");
    /** Name of the group of tabs that share a socket: those of one site and one user. */
    const group = () => `${SUBPROTOCOL} ${on.user()} ${url}`;

    function setState(next, code = null) {
        const previous = state;
        if (next !== previous) {
            const hadPush = hasPush();
            state = next;
            if (!isAsleep()) {
                setPace(hadPush); // pushes made polls unnecessary until now, so the interval starts now
            }
            on.state({ state, previous, code });
        }
    }

    function setPace(afresh) {
        sync.pace(hasPush() ? intervals.syncMs : intervals.pollMs, afresh);
    }

    function begin() {
        failures = probes = holdOffMs = 0;
        if (!adapters.WebSocket) {
            startPolling();
            return;
        }
        giveUp.start(GIVE_UP_MS);
        setState("connecting");
        sync.soon(FIRST_SYNC_MS);
        enter();
    }

    function shutDown(next, code) {
        for (const timer of [retry, settling, giveUp, waking]) {
            timer.stop();
        }
        disconnect();
        election.leave();
        if (next === "signedout") {
            election.listen(group());
        }
        sync.pause();
        setState(next, code);
    }

    /** Open a socket as the leader, or join the election. */
    function enter() {
        if (isAsleep() || connection) {
            return;
        }
        if (election.leads) {
            open();
        } else if (!on.user()) {
            sync.refresh(); // learns the user, whose key is part of the group's name
        } else if (!election.joined) {
            election.join(group());
        }
    }

    function open() {
        retry.stop();
        connection = connect({
            adapters,
            url,
            intervals,
            on: {
                hello: onHello,
                frame(frame) {
                    election.relay(frame);
                    on.frame(frame);
                },
                down: onDown,
            },
        });
        if (state !== "polling") {
            setState("connecting");
        }
    }

    function disconnect() {
        connection?.close();
        connection = null;
        syncedFrom = Infinity;
    }

    function onHello(payload) {
        syncedFrom = sync.started + 1;
        on.hello(payload);
        if (hasHello()) {
            election.announce(payload);
            setPace();
            sync.refresh();
        }
    }

    function onLead() {
        syncedFrom = Infinity;
        settling.stop();
        if (hasPush()) {
            giveUp.start(GIVE_UP_MS);
        }
        enter();
    }

    function onFollow(hello) {
        if (state === "signedout") {
            if (hello) {
                begin();
            }
        } else if (hello && !hasHello()) {
            if (state === "waiting") {
                setState("connecting");
            }
            onHello(hello);
        } else if (!hello && hasHello()) {
            onDown();
            if (hello === false) {
                sync.soon(0);
            }
        }
    }

    function onSettled() {
        failures = 0;
        if (state === "polling") {
            setState(liveState());
        }
    }

    function onDown(code = null) {
        const isSilent = code === null && state === "live";
        disconnect();
        settling.stop();
        if (code === NO_SESSION) {
            signOut(code);
            return;
        }
        election.announce(isSilent ? false : null);
        if (code === OTHER_USER) {
            election.leave();
            on.otherUser();
        }
        failures += 1;
        holdOffMs = HOLD_OFF_MS[code] ?? 0;
        if (state === "polling") {
            scheduleAttempt();
        } else if (holdOffMs || failures >= GIVE_UP_FAILURES) {
            startPolling(code);
        } else {
            retry.start(reconnectDelayMs(failures - 1, random));
            if (!giveUp.armed) {
                giveUp.start(GIVE_UP_MS);
            }
            setState("waiting", code);
            if (isSilent) {
                sync.soon(0); // frames since the silence began are lost
            }
        }
    }

    /** Switch to polling; a socket that is still opening remains as an attempt. */
    function startPolling(code) {
        giveUp.stop();
        probes = 0;
        if (!connection) {
            scheduleAttempt();
        }
        setState("polling", code);
        sync.soon(0);
    }

    function scheduleAttempt() {
        retry.start(holdOffMs || probeDelayMs(probes++, random));
    }

    function onWake() {
        probes = 0;
        if (connection) {
            connection.probe();
        } else if (holdOffMs === 0) {
            enter();
        }
        sync.soon(0);
    }

    function signOut(code) {
        if (!isAsleep()) {
            shutDown("signedout", code);
        }
    }

    /** React to a network that may be back, with jitter: all clients notice it in the same moment. */
    function wake() {
        if (!isAsleep() && !waking.armed) {
            waking.start(random() * WAKE_SPREAD_MS);
        }
    }

    /** Send a frame over the socket of this tab or its leader. Returns whether there is one. */
    function send(frame) {
        if (election.leads) {
            return connection?.send(frame) ?? false;
        }
        if (hasHello()) {
            election.send(frame);
        }
        return hasHello();
    }

    return {
        election,
        get state() {
            return state;
        },
        /** This tab's own socket, or `null`. */
        get connection() {
            return connection;
        },
        isAsleep,
        hasPush,
        enter,
        send,
        signOut,
        wake,

        start() {
            if (isAsleep()) {
                begin();
            }
        },

        stop: () => shutDown("stopped"),

        suspend() {
            if (state !== "stopped") {
                shutDown("suspended");
            }
        },

        resume() {
            if (state === "suspended") {
                begin();
                sync.soon(0);
            }
        },

        /** React to a page that is visible again; live and connecting pages need nothing. */
        shown() {
            if (state === "waiting" || state === "polling") {
                wake();
            }
        },

        /** Note that the latest request has succeeded. */
        synced() {
            if (sync.started >= syncedFrom) {
                if (state === "connecting") {
                    giveUp.stop();
                    settling.start(SETTLE_MS);
                    setState(liveState());
                } else if (state === "polling" && !settling.armed) {
                    settling.start(SETTLE_MS);
                }
            }
        },

        /** Leave the socket and the group, which belong to another user now. */
        leave() {
            election.leave();
            onDown();
        },
    };
}
