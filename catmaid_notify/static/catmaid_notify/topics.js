import { PUBLISH, REFUSED, SUBSCRIBE, UNSUBSCRIBE } from "./protocol.js";

/** The topics that this page follows. They live on the socket only: nothing of them is stored, polling doesn't bring them. */
export class Topics {
    #followers = new Map(); // topic → set of functions
    #asked = new Map(); // ref → frame, until the server has answered
    #send;
    #call;
    #id;
    #ref = 0;

    /** `send(frame)` returns whether a socket takes it; `call(fn, value)` never throws; `id` is this tab's own. */
    constructor({ send, call, id }) {
        this.#send = send;
        this.#call = call;
        this.#id = id;
    }

    /** Follow `topic`; return a function that ends it. */
    subscribe(topic, fn) {
        let followers = this.#followers.get(topic);
        if (!followers) {
            followers = new Set();
            this.#followers.set(topic, followers);
            this.#ask(SUBSCRIBE, topic);
        }
        const follower = (value) => fn(value); // so that the same function can follow twice
        followers.add(follower);
        return () => {
            if (followers.delete(follower) && followers.size === 0 && this.#followers.get(topic) === followers) {
                this.#followers.delete(topic);
                this.#ask(UNSUBSCRIBE, topic);
            }
        };
    }

    /** Publish into `topic`; return whether it was sent, which does not say that the server took it. */
    publish(topic, event, payload) {
        return this.#ask(PUBLISH, topic, { event, payload });
    }

    /** Follow everything again on a new socket. */
    resume() {
        this.#asked.clear();
        for (const topic of this.#followers.keys()) {
            this.#ask(SUBSCRIBE, topic);
        }
    }

    /** Hand an event to those who follow its topic. */
    deliver(detail) {
        for (const follower of [...(this.#followers.get(detail.topic) ?? [])]) {
            this.#call(follower, detail);
        }
    }

    /** Take the server's answer; return the topic that it refused to let this page follow or publish into, or `null`. */
    answer({ event, ref }) {
        const asked = this.#asked.get(ref);
        this.#asked.delete(ref);
        if (!asked || event !== REFUSED) {
            return null;
        }
        if (asked.event === SUBSCRIBE) {
            this.#followers.delete(asked.topic);
        }
        return asked.topic;
    }

    #ask(event, topic, payload) {
        const ref = `${this.#id}.${++this.#ref}`;
        const frame = { event, topic, ref, ...(payload && { payload }) };
        const sent = this.#send(frame);
        if (sent && event !== UNSUBSCRIBE) {
            this.#asked.set(ref, frame);
        }
        return sent;
    }
}

/** Which tabs follow which topics on the one socket that they share. */
export class SharedTopics {
    #tabs = new Map(); // topic → set of tabs

    clear() {
        this.#tabs.clear();
    }

    /** Take note of what a tab asks the server; return whether the server has to know: a topic is left by its last tab. */
    note({ event, topic }, tab) {
        const tabs = this.#tabs.get(topic) ?? new Set();
        this.#tabs.set(topic, tabs);
        if (event === SUBSCRIBE) {
            tabs.add(tab);
        }
        return event !== UNSUBSCRIBE || (tabs.delete(tab) && tabs.size === 0);
    }

    /** Return the frames that a tab has not sent before it went away. */
    farewell(tab) {
        const left = [...this.#tabs].filter(([, tabs]) => tabs.has(tab));
        return left.map(([topic]) => ({ event: UNSUBSCRIBE, topic }));
    }
}
