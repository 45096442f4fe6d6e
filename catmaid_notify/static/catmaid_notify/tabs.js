import { LEADER_ANSWER_MS, LEADER_QUIET_MS } from "./backoff.js";
import { makeTimer } from "./timer.js";

/**
 * Return this tab as one of those of one user on one site in one browser: one of them leads and has the socket, the others
 * follow.
 *
 * A lock says who leads. A channel carries what the leader receives to the others, and what they send to it. A leader that
 * is silent for too long loses the lock. Where there are no locks, every tab leads itself; the channel is there all the same.
 *
 * `on` has `lead()`, `lose()`, `follow(hello)` with `null` or `false` while the leader has no socket, `frame(frame)`, and, for the leader,
 * `send(frame, tab)`, without a frame when that tab is gone.
 */
export function makeTabs({ adapters, on }) {
    const { BroadcastChannel, locks, random } = adapters;
    const id = String(random()); // tells this tab from the others
    const quiet = makeTimer(adapters, silent);
    let group; // name of the lock and the channel
    let channel = null;
    let membership = null; // AbortController
    let leader = null; // id of the tab that is followed
    let leads = false;
    let term = 0; // number of the latest leader; one that hung and doesn't know that it has lost the lock has a smaller one
    let said = null; // what the leader, if it is this tab, has told last
    let isAsked = false;

    /** Become one of the tabs of this name, to lead or to follow. */
    function join(name) {
        listen(name);
        contend(false);
        if (!leads) {
            hear();
            post({ ask: true });
        }
    }

    /** Hear the others, and take no part. */
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
        channel?.close(); // what is still on its way here is dropped
        membership?.abort();
        channel = membership = leader = null;
        quiet.stop();
        leads = false;
        term = 0;
    }

    function contend(steal) {
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
                lead(); // no locks here, in a sandboxed frame say
            }
        });
    }

    function lead() {
        leads = true;
        term += 1;
        quiet.stop();
        tell(null);
        on.lead();
    }

    /**
     * Tell the others, if this tab leads, that there is a socket that said hello, or, with `null`, that there is none; `false`:
     * and that what it should have brought may be missing.
     */
    function tell(hello) {
        said = hello;
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
                tell(said);
            } else if (send || data.bye) {
                on.send(send, from);
            }
        } else if (data.lead !== undefined && data.term >= term) {
            leader = from;
            term = membership ? data.term : 0;
            hear();
            on.follow(data.lead);
        } else if (from === leader && frame) {
            hear();
            on.frame(frame);
        }
    }

    function hear() {
        isAsked = false;
        if (membership) {
            // Not all at once: the answer to one tab is one to all.
            quiet.start(LEADER_QUIET_MS * (1 - 0.2 * random()));
        }
    }

    function silent() {
        if (isAsked) {
            contend(true);
        } else {
            isAsked = true;
            post({ ask: true });
            quiet.start(LEADER_ANSWER_MS);
        }
    }

    return {
        id,
        join,
        listen,
        leave,
        tell,
        get leads() {
            return leads;
        },
        get joined() {
            return membership !== null;
        },

        /** Hand on, as the leader, a frame that came over the socket. */
        relay: (frame) => locks && post({ frame }),

        /** Hand a frame to the leader, for the server. */
        send: (frame) => post({ send: frame }),

        /** Hand all tabs a frame, as if it had come over the socket. */
        share: (frame) => post({ share: frame }),
    };
}
