/** Synchronisation with the unread set on the server: polls, and requests on demand. */

import { failureIntervalMs, pollDelayMs, retryAfterMs } from "./backoff.js";
import { makeRequests } from "./request.js";
import { makeTimer } from "./timer.js";
import { parseUnreadSet } from "./validate.js";

/**
 * Return a paused poller of the unread set at `url`. It has at most one timer and one request at a time.
 *
 * @param {object} options
 * @param {object} options.on  callbacks: `result(unreadSet)` and `failure(error)`
 */
export function makeSync({ adapters, url, intervals, on }) {
    const { now, wallNow, random } = adapters;
    const timer = makeTimer(adapters, onDue);
    const requests = makeRequests(adapters);
    let current = 0; // number of the pending request; 0: none
    let started = 0; // requests so far
    const waiters = []; // {resolve, after}: resolved by the first request whose number is above `after`
    let intervalMs = 0; // 0: paused
    let sinceMs = -Infinity; // start of the interval
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

    function onDue() {
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
                cache: "no-store", // the browser's cache would turn a 304 into a 200
            });
            unreadSet = body === undefined ? last : parseUnreadSet(body);
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
            onDue();
        }
    }

    function hold({ status, retryAfter }) {
        const askedMs = retryAfterMs(retryAfter, wallNow());
        if ((status === 429 || status === 503) && askedMs > 0) {
            failures = 1; // Retry-After replaces the back-off
            holdUntilMs = now() + askedMs;
        }
    }

    function cancel() {
        current = 0;
        requests.abort();
    }

    return {
        /** Number of requests so far. A change that notes it is known to precede or follow the start of a request. */
        get started() {
            return started;
        },

        /** Set the interval, counted from the start of the last request, or from now if `afresh`. */
        pace(ms, afresh) {
            intervalMs = ms;
            if (afresh || sinceMs < 0) {
                sinceMs = now();
            }
            arm();
        },

        /** Bring the next request forward to `delayMs` from now, unless a request is pending. */
        soon(delayMs) {
            if (intervalMs && !current) {
                armAt(Math.min(dueAtMs, now() + delayMs));
            }
        },

        /**
         * Request the unread set now, or right after a pending request, whose snapshot may be older than this call.
         *
         * Resolves to whether the request succeeded. Obeys `Retry-After`.
         */
        async refresh() {
            return (
                intervalMs > 0 &&
                new Promise((resolve) => {
                    waiters.push({ resolve, after: started });
                    if (!current) {
                        onDue();
                    }
                })
            );
        },

        /** Drop the ETag and the pending request. */
        forget() {
            etag = null;
            cancel();
            arm();
        },

        /** Stop polling, and drop the timer and the pending request. */
        pause() {
            intervalMs = 0;
            failures = 0;
            timer.stop();
            cancel();
            waiters.splice(0).forEach(({ resolve }) => resolve(false));
        },
    };
}
