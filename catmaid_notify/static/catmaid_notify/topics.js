import { PUBLISH, REFUSED, SUBSCRIBE, UNSUBSCRIBE } from "./protocol.js";

/**
 * Return the topics that this page follows. `send(frame)` returns whether a socket takes it; `call(fn, value)` never throws;
 * `unsent()` hears that no socket took a new topic; `id` is this tab's own.
 */
export function makeTopics({ send, call, unsent, id }) {
    const followersOf = new Map(); // topic → set of functions
    const values = new Map(); // topic → what was published last, where the server keeps that
    const asked = new Map(); // ref → frame, until the server has answered
    let count = 0;

    function ask(event, topic, payload) {
        const ref = `${id}.${++count}`;
        const frame = { event, topic, ref, ...(payload && { payload }) };
        const isSent = send(frame);
        if (isSent && event !== UNSUBSCRIBE) {
            asked.set(ref, frame);
        }
        return isSent;
    }

    function tell(topic, detail) {
        for (const follower of [...(followersOf.get(topic) ?? [])]) {
            call(follower, detail);
        }
    }

    function forget(topic) {
        followersOf.delete(topic);
        values.delete(topic);
    }

    return {
        /** Follow `topic`; return a function that ends it. */
        subscribe(topic, fn) {
            let followers = followersOf.get(topic);
            if (!followers) {
                followers = new Set();
                followersOf.set(topic, followers);
                if (!ask(SUBSCRIBE, topic)) {
                    unsent();
                }
            }
            const follower = (value) => fn(value); // so that the same function can follow twice
            followers.add(follower);
            if (values.has(topic)) {
                call(follower, values.get(topic));
            }
            return () => {
                if (followers.delete(follower) && !followers.size && followersOf.get(topic) === followers) {
                    forget(topic);
                    ask(UNSUBSCRIBE, topic);
                }
            };
        },

        /** Names of the topics. */
        names: () => [...followersOf.keys()],

        /** Forget the last values: they were another user's. */
        clear: () => values.clear(),

        /** Publish into `topic`; return whether it was sent, which does not say that the server took it. */
        publish: (topic, event, payload = null) => ask(PUBLISH, topic, { event, payload, sender: id }),

        /** Follow everything again on a new socket. */
        resume() {
            asked.clear();
            for (const topic of followersOf.keys()) {
                ask(SUBSCRIBE, topic);
            }
        },

        /** Hand an event to those who follow its topic, unless they have it or a newer value; return whether it was news. */
        deliver({ version, ...detail }) {
            const { topic } = detail;
            if (version && followersOf.has(topic)) {
                if (version <= values.get(topic)?.version) {
                    return false;
                }
                values.set(topic, { ...detail, version });
            }
            tell(topic, detail);
            return true;
        },

        /** Take the server's answer; return the topic that it refused to let this page follow or publish into. */
        answer({ event, ref, topic, payload }) {
            const frame = ref === undefined ? followersOf.has(topic) && { event: SUBSCRIBE, topic } : asked.get(ref);
            asked.delete(ref);
            if (event !== REFUSED || !frame) {
                return undefined;
            }
            if (frame.event === SUBSCRIBE) {
                tell(frame.topic, { event, payload, topic: frame.topic, sender: null });
                forget(frame.topic);
            }
            return frame.topic;
        },
    };
}

/** Return the notes of which tabs follow which topics on the one socket that they share. */
export function makeSharedTopics() {
    const tabsOf = new Map(); // topic → set of tabs
    return {
        clear: () => tabsOf.clear(),

        /** Take note of what a tab asks the server; return whether the server has to know: a topic is left by its last tab. */
        note({ event, topic }, tab) {
            const tabs = tabsOf.get(topic) ?? new Set();
            tabsOf.set(topic, tabs);
            if (event === SUBSCRIBE) {
                tabs.add(tab);
            }
            return event !== UNSUBSCRIBE || (tabs.delete(tab) && !tabs.size);
        },

        /** Return the frames that a tab has not sent before it went away. */
        farewell: (tab) =>
            [...tabsOf].filter(([, tabs]) => tabs.has(tab)).map(([topic]) => ({ event: UNSUBSCRIBE, topic })),
    };
}
