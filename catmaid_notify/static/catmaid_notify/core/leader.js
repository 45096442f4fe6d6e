/** Leader election among the tabs of one user on one site in one browser. Only the leader opens a socket. */

import { LEADER_ANSWER_MS, LEADER_QUIET_MS } from "./backoff.js";
import { makeTimer } from "./timer.js";

/**
 * Return this tab's part in the election; it takes part from `join()` on.
 *
 * The holder of a Web Lock is the leader. A broadcast channel carries frames from the leader to the followers, and back. The
 * followers steal the lock of a leader that is silent for too long. Without Web Locks every tab is its own leader; the channel
 * still shares reads.
 *
 * The callbacks in `on`:
 *
 * - `lead()`: this tab has become the leader;
 * - `lose()`: another tab has stolen the lock;
 * - `follow(hello)`: the leader's socket is open; `null`: closed; `false`: closed, and frames may be lost;
 * - `frame(frame)`: a frame from the leader's socket, or shared by another tab;
 * - `send(frame, tab)`, on the leader: a follower's frame for the server; without a frame, that tab is gone.
 *
 * @param {object} options
 * @param {object} options.on
 */
export function makeLeaderElection({ adapters, on }) {
    const { BroadcastChannel, locks, random } = adapters;
    const id = String(random()); // unique to this tab
    const silence = makeTimer(adapters, onSilence);
    let group; // name of the lock and of the channel
    let channel = null;
    let membership = null; // AbortController
    let leader = null; // id of the leader
    let leads = false;
    let term = 0; // number of the latest election; a leader that hung, and lost the lock unnoticed, has a smaller one
    let announced = null; // hello of the last announcement as the leader
    let isAsked = false; // the silent leader was asked to announce itself

    /** Join the group of this name, as its leader or as a follower. */
    function join(name) {
        listen(name);
        requestLock(false);
        if (!leads) {
            onLeaderMessage();
            post({ ask: true });
        }
    }

    /** Listen to the group of this name without taking part in the election. */
    function listen(name) {
        leave();
        group = name;
        if (BroadcastChannel) {
            channel = new BroadcastChannel(name);
            channel.onmessage = ({ data }) => receive(data);
        }
    }

    function leave() {
        post({ bye: true });
        channel?.close(); // also drops messages on their way here
        membership?.abort();
        channel = membership = leader = null;
        silence.stop();
        leads = false;
        term = 0;
    }

    function requestLock(steal) {
        membership?.abort();
        membership = new AbortController();
        const { signal } = membership;
        const hold = () =>
            signal.aborted ||
            new Promise((resolve) => {
                signal.onabort = resolve;
                lead();
            });
        if (!locks) {
            lead();
            return;
        }
        locks.request(group, steal ? { steal } : { signal }, hold).catch(({ name }) => {
            if (signal.aborted) {
                return;
            }
            if (name === "AbortError") {
                join(group); // another tab has stolen the lock
                on.lose();
            } else {
                lead(); // Web Locks are denied, for example in a sandboxed frame
            }
        });
    }

    function lead() {
        leads = true;
        term += 1;
        silence.stop();
        announce(null);
        on.lead();
    }

    /** Announce the state of the socket to the followers, if this tab leads; see `on.follow`. */
    function announce(hello) {
        announced = hello;
        if (leads) {
            post({ lead: hello, term });
        }
    }

    function post(data) {
        channel?.postMessage({ ...data, from: id });
    }

    function receive(data) {
        const { from, frame, send } = data;
        if (data.share) {
            on.frame(data.share);
        } else if (leads) {
            if (data.ask) {
                announce(announced);
            } else if (send || data.bye) {
                on.send(send, from);
            }
        } else if (data.lead !== undefined && data.term >= term) {
            leader = from;
            term = membership ? data.term : 0;
            onLeaderMessage();
            on.follow(data.lead);
        } else if (from === leader && frame) {
            onLeaderMessage();
            on.frame(frame);
        }
    }

    function onLeaderMessage() {
        isAsked = false;
        if (membership) {
            // Jitter: one follower asks, and the answer reaches all.
            silence.start(LEADER_QUIET_MS * (1 - 0.2 * random()));
        }
    }

    function onSilence() {
        if (isAsked) {
            requestLock(true);
        } else {
            isAsked = true;
            post({ ask: true });
            silence.start(LEADER_ANSWER_MS);
        }
    }

    return {
        id,
        join,
        listen,
        leave,
        announce,
        get leads() {
            return leads;
        },
        get joined() {
            return membership !== null;
        },

        /** Pass a frame of the socket on to the followers. */
        relay: (frame) => locks && post({ frame }),

        /** Pass a frame to the leader, for the server. */
        send: (frame) => post({ send: frame }),

        /** Pass a frame to all tabs, as if it came over the socket. */
        share: (frame) => post({ share: frame }),
    };
}
