/**
 * Return the topics that this tab follows, and those that other tabs follow over its socket. Loaded when there is the first one.
 *
 * `lifecycle` sends; `request` asks for what is at `url`, where last values are; `receive(frame)` takes them in;
 * `fail(kind, error)` hears what went wrong; `call(fn, value)` never throws.
 *
 * The names of events come from the core: this module imports nothing, so that bundlers don't split the core for it.
 */
export function makeTopics({ notifier, lifecycle, events, url, request, receive, fail, call }) {
    const { SUBSCRIBE, UNSUBSCRIBE, REFUSED } = events;
    const { id } = notifier; // the `ref` of what this tab publishes
    const ref = `${id} follows`; // and of its other requests
    const followersOf = new Map(); // topic → set of functions
    const values = new Map(); // topic → what was published last, where the server keeps that
    const othersOn = new WeakMap(); // socket of this tab → topic → set of the other tabs that follow it there

    const ask = (topic) => lifecycle.send({ event: SUBSCRIBE, topic, ref });

    /** A topic is left by the last of those who share the socket. */
    function leave(topic) {
        if (!followersOf.has(topic) && !othersOn.get(lifecycle.connection)?.get(topic)?.size) {
            lifecycle.send({ event: UNSUBSCRIBE, topic, ref });
        }
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

    /** Ask for the last values, while no socket brings them. The browser knows their ETag. */
    async function refresh() {
        const topics = [...followersOf.keys()];
        if (!url || topics.length === 0 || !["waiting", "polling"].includes(lifecycle.state)) {
            return;
        }
        try {
            const query = new URLSearchParams(topics.map((topic) => ["topic", topic]));
            const { body } = await request(`${url}?${query}`);
            body.values.forEach(receive);
            body.refused.forEach((topic) => receive({ event: REFUSED, topic }));
        } catch (error) {
            fail("topic", error);
        }
    }

    notifier.on("sync", ({ ok }) => ok && refresh());
    notifier.on("user", () => values.clear()); // they were another user's

    return {
        /** Follow `topic`; return a function that ends it. */
        subscribe(topic, fn) {
            let followers = followersOf.get(topic);
            if (!followers) {
                followers = new Set();
                followersOf.set(topic, followers);
                if (!ask(topic)) {
                    refresh();
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
                    leave(topic);
                }
            };
        },

        /** Follow everything again on a new socket. */
        resume: () => followersOf.forEach((_, topic) => ask(topic)),

        /** Hand an event to those who follow its topic, unless they have it or a newer value; return whether it was news. */
        deliver(detail, version) {
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

        /** Take a refusal: an answer to this tab or another one, or, without a `ref`, something for all who follow the topic. */
        refuse(detail, about = ref) {
            const { topic, payload, event } = detail;
            const isFollowed = about === ref && followersOf.has(topic);
            if (isFollowed) {
                tell(topic, detail);
                forget(topic);
            }
            if (isFollowed || about === id) {
                fail("topic", new Error(`Topic ${topic}: ${payload?.reason ?? event}`));
            }
        },

        /** Hand on what another tab asks over this tab's socket, if the server has to know; without a frame, that tab is gone. */
        share(frame, tab, connection) {
            const tabsOf = othersOn.get(connection) ?? new Map();
            othersOn.set(connection, tabsOf);
            if (frame?.event === SUBSCRIBE) {
                const tabs = tabsOf.get(frame.topic) ?? new Set();
                tabsOf.set(frame.topic, tabs.add(tab));
            }
            if (frame && frame.event !== UNSUBSCRIBE) {
                connection.send(frame);
                return;
            }
            for (const [topic, tabs] of tabsOf) {
                if ((!frame || frame.topic === topic) && tabs.delete(tab)) {
                    leave(topic);
                }
            }
        },
    };
}
