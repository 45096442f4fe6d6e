import { failureDelayMs, pollDelayMs, retryAfterMs } from "./backoff.js";
import { request } from "./request.js";
import { toUnreadSet } from "./shapes.js";
import { makeTimer } from "./timer.js";

/**
 * Return what fetches the unread set: on demand, and again and again in the pace that it is given. One timer, one request at
 * a time. `on` has `result(unreadSet)` and `failure(error)`.
 */
export function makeSync({ adapters, url, intervals, on }) {
    const { now, wallNow, random } = adapters;
    const timer = makeTimer(adapters, due);
    let current = null; // AbortController of the request that is under way
    let started = 0;
    let waiters = []; // for the request that is under way, or the next one
    let later = []; // for the one after that
    let intervalMs = 0; // 0: paused
    let sinceMs = -Infinity; // when the interval began
    let dueAtMs = 0;
    let holdUntilMs = 0;
    let failures = 0;
    let etag = null;
    let last = null;

    function armAt(atMs) {
        dueAtMs = atMs;
        timer.start(atMs - now());
    }

    function arm() {
        if (intervalMs && !current) {
            const { pollMs } = intervals;
            armAt(sinceMs + (failures ? failureDelayMs(failures, pollMs, random) : pollDelayMs(intervalMs, random)));
        }
    }

    function due() {
        if (now() < holdUntilMs) {
            armAt(holdUntilMs);
        } else {
            void begin();
        }
    }

    async function begin() {
        const controller = new AbortController();
        current = controller;
        timer.stop();
        sinceMs = now();
        started += 1;
        let unreadSet, failure;
        try {
            unreadSet = await ask(controller);
        } catch (error) {
            failure = error;
        }
        if (current === controller) {
            current = null;
            finish(unreadSet, failure);
        }
    }

    async function ask(controller) {
        const { response, body } = await request({
            adapters,
            url,
            controller,
            headers: etag && { "If-None-Match": etag },
            cache: "no-store", // our own ETag, not the browser's: a 304 must reach us
        });
        const unreadSet = body === undefined ? last : toUnreadSet(body);
        if (!unreadSet) {
            throw new Error("The answer is not an unread set.");
        }
        if (current === controller && body) {
            etag = response.headers.get("ETag");
            last = unreadSet;
        }
        return unreadSet;
    }

    function finish(unreadSet, failure) {
        const answered = waiters;
        waiters = later;
        later = [];
        failures = failure ? failures + 1 : 0;
        if (failure) {
            hold(failure);
        }
        arm();
        if (failure) {
            on.failure(failure);
        } else {
            on.result(unreadSet);
        }
        settle(answered, !failure);
        if (waiters.length > 0 && !current) {
            due();
        }
    }

    function hold({ status, retryAfter }) {
        const askedMs = retryAfterMs(retryAfter, wallNow());
        if ((status === 429 || status === 503) && askedMs !== null) {
            failures = 1; // the server's word replaces our own back-off
            holdUntilMs = now() + askedMs;
        }
    }

    function cancel() {
        const controller = current;
        current = null;
        controller?.abort();
    }

    function settle(resolvers, answered) {
        for (const resolve of resolvers) {
            resolve(answered);
        }
    }

    return {
        /** Number of requests so far. It tells whether something happened before or after a request began. */
        get started() {
            return started;
        },

        /** Ask every `ms` from now on, counted from the last request's start, or from now if `afresh`. */
        pace(ms, afresh) {
            intervalMs = ms;
            if (afresh || sinceMs < 0) {
                sinceMs = now();
            }
            arm();
        },

        /** Ask in `delayMs` at the latest; the request that is under way, if any, counts. */
        soon(delayMs) {
            if (intervalMs && !current) {
                armAt(Math.min(dueAtMs, now() + delayMs));
            }
        },

        /**
         * Ask now, and after the request that is under way, if any, once more: what comes back began after this call.
         *
         * Resolves to whether the server gave an answer. Waits as long as the server asked us to (`Retry-After`).
         */
        refresh() {
            return new Promise((resolve) => {
                if (current) {
                    later.push(resolve);
                } else {
                    waiters.push(resolve);
                    due();
                }
            });
        },

        /** Drop what is remembered of earlier answers, and the request that is under way. */
        forget() {
            etag = null;
            cancel();
            waiters.push(...later.splice(0));
            arm();
        },

        /** Stop asking; nothing stays armed or under way. */
        pause() {
            intervalMs = 0;
            failures = 0;
            timer.stop();
            cancel();
            settle([...waiters.splice(0), ...later.splice(0)], false);
        },
    };
}
