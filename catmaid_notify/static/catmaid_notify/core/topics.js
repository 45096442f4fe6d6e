/**
 * Topic subscriptions of this tab, and of other tabs that share its socket. Loaded with the first subscription.
 *
 * This module imports nothing, so that bundlers don't split the core for it: event names come in as an argument.
 */

/**
 * Return the subscriptions, none at first.
 *
 * @param {object} options
 * @param {object} options.lifecycle  sends the frames
 * @param {object} options.events  `SUBSCRIBE`, `UNSUBSCRIBE` and `REFUSED` of `protocol.js`
 * @param {string} [options.url]  URL of the last values
 * @param {function} options.request  of `request.js`
 * @param {function(object): void} options.receive  handles a frame, as if it came over the socket
 * @param {function(string, Error): void} options.fail  reports an error of this kind
 * @param {function(function, *): void} options.call  calls a listener and reports its exceptions
 */
export function makeTopics({ notifier, lifecycle, events, url, request, receive, fail, call }) {
    const { SUBSCRIBE, UNSUBSCRIBE, REFUSED } = events;
    const { id } = notifier; // `ref` of this tab's publications
    const ref = `${id} follows`; // `ref` of its other requests
    const followersOf = new Map(); // topic → set of functions
    const values = new Map(); // topic → last value, for topics whose last value the server keeps
    const othersOn = new WeakMap(); // connection of this tab → topic → set of other tabs that follow the topic over it

    const subscribeOnServer = (topic) => lifecycle.send({ event: SUBSCRIBE, topic, ref });

    /** Unsubscribe on the server, unless a tab that shares the socket still follows the topic. */
    function unsubscribeIfUnused(topic) {
        if (!followersOf.has(topic) && !othersOn.get(lifecycle.connection)?.get(topic)?.size) {
            lifecycle.send({ event: UNSUBSCRIBE, topic, ref });
        }
    }

    function notifyFollowers(topic, detail) {
        for (const follower of [...(followersOf.get(topic) ?? [])]) {
            call(follower, detail);
        }
    }

    function forget(topic) {
        followersOf.delete(topic);
        values.delete(topic);
    }

    /** Fetch the last values while there is no socket. The browser's cache handles the ETag. */
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
    notifier.on("user", () => values.clear()); // last values belong to the previous user

    return {
        /** Subscribe to `topic`. Returns a function that unsubscribes. */
        subscribe(topic, fn) {
            let followers = followersOf.get(topic);
            if (!followers) {
                followers = new Set();
                followersOf.set(topic, followers);
                if (!subscribeOnServer(topic)) {
                    refresh();
                }
            }
            const follower = (value) => fn(value); // a new function each time, so that `fn` can subscribe twice
            followers.add(follower);
            if (values.has(topic)) {
                call(follower, values.get(topic));
            }
            return () => {
                if (followers.delete(follower) && !followers.size && followersOf.get(topic) === followers) {
                    forget(topic);
                    unsubscribeIfUnused(topic);
                }
            };
        },

        /** Subscribe to all topics again, on a new socket. */
        resume: () => followersOf.forEach((_, topic) => subscribeOnServer(topic)),

        /** Pass an event to the topic's followers, unless it is older than the last value. Returns whether it was passed on. */
        deliver(detail, version) {
            const { topic } = detail;
            if (version && followersOf.has(topic)) {
                if (version <= values.get(topic)?.version) {
                    return false;
                }
                values.set(topic, { ...detail, version });
            }
            notifyFollowers(topic, detail);
            return true;
        },

        /** Handle a refusal. `about` is the `ref` of the refused request; a refusal without one ends this tab's subscription. */
        refuse(detail, about = ref) {
            const { topic, payload, event } = detail;
            const isFollowed = about === ref && followersOf.has(topic);
            if (isFollowed) {
                notifyFollowers(topic, detail);
                forget(topic);
            }
            if (isFollowed || about === id) {
                fail("topic", new Error(`Topic ${topic}: ${payload?.reason ?? event}`));
            }
        },

        /** Forward a frame of another tab to the server, if the server needs it. Without a frame, drop that tab's subscriptions. */
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
                    unsubscribeIfUnused(topic);
                }
            }
        },
    };
}
