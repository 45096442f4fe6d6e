import { EVENTS } from "./protocol.js";

/** The topics that this page follows. They live on the socket only: nothing of them is stored, polling doesn't bring them. */
export class Topics {
    #followers = new Map(); // topic → set of functions
    #refs = new Map(); // ref → topic, until the server has answered
    #ref = 0;
    #send;
    #call;

    /** `send(frame)` returns whether a socket took it; `call(fn, value)` calls without ever throwing. */
    constructor({ send, call }) {
        this.#send = send;
        this.#call = call;
    }

    /** Follow `topic`; return a function that ends it. */
    subscribe(topic, fn) {
        let followers = this.#followers.get(topic);
        if (!followers) {
            followers = new Set();
            this.#followers.set(topic, followers);
            this.#ask(EVENTS.SUBSCRIBE, topic);
        }
        const follower = (value) => fn(value); // so that the same function can follow twice
        followers.add(follower);
        return () => {
            if (followers.delete(follower) && followers.size === 0 && this.#followers.get(topic) === followers) {
                this.#followers.delete(topic);
                this.#ask(EVENTS.UNSUBSCRIBE, topic);
            }
        };
    }

    /** Publish into `topic`; return whether it was sent, which does not say that the server took it. */
    publish(topic, event, payload) {
        return this.#ask(EVENTS.PUBLISH, topic, { event, payload });
    }

    /** Follow everything again on a new socket. */
    resume() {
        this.#refs.clear();
        for (const topic of this.#followers.keys()) {
            this.#ask(EVENTS.SUBSCRIBE, topic);
        }
    }

    /** Hand an event to those who follow its topic. */
    deliver(detail) {
        for (const follower of [...(this.#followers.get(detail.topic) ?? [])]) {
            this.#call(follower, detail);
        }
    }

    /** Take the server's answer; return the topic that it refused to let us follow or publish into, or `null`. */
    answer(frame) {
        const asked = this.#refs.get(frame.ref);
        this.#refs.delete(frame.ref);
        if (frame.event !== EVENTS.REFUSED) {
            return null;
        }
        if (asked?.event === EVENTS.SUBSCRIBE) {
            this.#followers.delete(asked.topic);
        }
        return frame.topic ?? asked?.topic ?? "";
    }

    #ask(event, topic, payload) {
        this.#ref += 1;
        const ref = String(this.#ref);
        const sent = this.#send({ event, topic, ref, ...(payload && { payload }) });
        if (sent) {
            this.#refs.set(ref, { event, topic });
        }
        return sent;
    }
}
