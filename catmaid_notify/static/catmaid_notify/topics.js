import { PUBLISH, REFUSED, SUBSCRIBE, UNSUBSCRIBE } from "./protocol.js";

/**
 * Return the topics that this page follows. They live on the socket only: nothing of them is stored, polling doesn't bring
 * them. `send(frame)` returns whether a socket takes it; `call(fn, value)` never throws; `id` is this tab's own.
 */
export function makeTopics({ send, call, id }) {
    const followersOf = new Map(); // topic → set of functions
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

    return {
        /** Follow `topic`; return a function that ends it. */
        subscribe(topic, fn) {
            let followers = followersOf.get(topic);
            if (!followers) {
                followers = new Set();
                followersOf.set(topic, followers);
                ask(SUBSCRIBE, topic);
            }
            const follower = (value) => fn(value); // so that the same function can follow twice
            followers.add(follower);
            return () => {
                if (followers.delete(follower) && !followers.size && followersOf.get(topic) === followers) {
                    followersOf.delete(topic);
                    ask(UNSUBSCRIBE, topic);
                }
            };
        },

        /** Publish into `topic`; return whether it was sent, which does not say that the server took it. */
        publish: (topic, event, payload = null) => ask(PUBLISH, topic, { event, payload }),

        /** Follow everything again on a new socket. */
        resume() {
            asked.clear();
            for (const topic of followersOf.keys()) {
                ask(SUBSCRIBE, topic);
            }
        },

        /** Hand an event to those who follow its topic. */
        deliver(detail) {
            for (const follower of [...(followersOf.get(detail.topic) ?? [])]) {
                call(follower, detail);
            }
        },

        /** Take the server's answer; return the topic that it refused to let this page follow or publish into. */
        answer({ event, ref }) {
            const frame = asked.get(ref);
            asked.delete(ref);
            if (event !== REFUSED) {
                return undefined;
            }
            if (frame?.event === SUBSCRIBE) {
                followersOf.delete(frame.topic);
            }
            return frame?.topic;
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
