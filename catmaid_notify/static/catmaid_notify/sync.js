import { failureIntervalMs, pollDelayMs, retryAfterMs } from "./backoff.js";
import { makeRequests } from "./request.js";
import { toUnreadSet } from "./shapes.js";
import { makeTimer } from "./timer.js";

/**
 * Return what fetches the unread set: on demand, and again and again in the pace that it is given. One timer, one request at
 * a time. `on` has `result(unreadSet)` and `failure(error)`.
 */
export function makeSync({ adapters, url, intervals, on }) {
    const { now, wallNow, random } = adapters;
    const timer = makeTimer(adapters, due);
    const requests = makeRequests(adapters);
    let current = 0; // number of the request that is under way, if there is one
    let started = 0;
    const waiters = []; // {resolve, after}: for the first request that begins after that one
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
            armAt(sinceMs + pollDelayMs(failures ? failureIntervalMs(failures, intervals.pollMs) : intervalMs, random));
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
        current = ++started;
        const number = current;
        timer.stop();
        sinceMs = now();
        let unreadSet, failure;
        try {
            const { response, body } = await requests.request(url, {
                headers: etag && { "If-None-Match": etag },
                cache: "no-store", // our own ETag, not the browser's: a 304 must reach us
            });
            unreadSet = body === undefined ? last : toUnreadSet(body);
            if (!unreadSet) {
                throw new Error("not an unread set");
            }
            if (current === number && body) {
                etag = response.headers.get("ETag");
                last = unreadSet;
            }
        } catch (error) {
            failure = error;
        }
        if (current === number) {
            current = 0;
            finish(unreadSet, failure);
        }
    }

    function finish(unreadSet, failure) {
        for (const waiter of waiters.splice(0)) {
            if (waiter.after < started) {
                waiter.resolve(!failure);
            } else {
                waiters.push(waiter);
            }
        }
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
        if (waiters.length > 0 && !current) {
            due();
        }
    }

    function hold({ status, retryAfter }) {
        const askedMs = retryAfterMs(retryAfter, wallNow());
        if ((status === 429 || status === 503) && askedMs > 0) {
            failures = 1; // the server's word replaces our own back-off
            holdUntilMs = now() + askedMs;
        }
    }

    function cancel() {
        current = 0;
        requests.abort();
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
        async refresh() {
            return (
                intervalMs > 0 &&
                new Promise((resolve) => {
                    waiters.push({ resolve, after: started });
                    if (!current) {
                        due();
                    }
                })
            );
        },

        /** Drop what is remembered of earlier answers, and the request that is under way. */
        forget() {
            etag = null;
            cancel();
            arm();
        },

        /** Stop asking; nothing stays armed or under way. */
        pause() {
            intervalMs = 0;
            failures = 0;
            timer.stop();
            cancel();
            waiters.splice(0).forEach(({ resolve }) => resolve(false));
        },
    };
}
