import { failureDelayMs, pollDelayMs, retryAfterMs } from "./backoff.js";
import { toUnreadSet } from "./shapes.js";
import { Timer } from "./timer.js";

/**
 * Fetches the unread set: on demand, and again and again in the pace that it is given. One timer, one request at a time.
 *
 * Requests are numbered from 1, so that a caller can tell whether an answer belongs to a request that began late enough.
 */
export class InboxSync {
    #adapters;
    #url;
    #timings;
    #on;
    #timer;
    #timeout;
    #controller = null;
    #again = false;
    #waiters = [];
    #running = false;
    #intervalMs = 0;
    #sinceMs = -Infinity;
    #dueAtMs = -Infinity;
    #startedAtMs = -Infinity;
    #holdUntilMs = -Infinity;
    #failures = 0;
    #etag = null;
    #last = null;

    /** Number of the latest request. */
    started = 0;

    /** `on` has `start()`, `result(number, unreadSet)`, `signedOut()` and `failure(error)`. */
    constructor({ adapters, url, timings, on }) {
        this.#adapters = adapters;
        this.#url = url;
        this.#timings = timings;
        this.#on = on;
        this.#timer = new Timer(adapters, () => this.#due());
        this.#timeout = new Timer(adapters, () => this.#controller?.abort());
    }

    /** Ask every `intervalMs` from now on, counted from the last request's start, or from `sinceMs` where that is later. */
    pace(intervalMs, sinceMs = -Infinity) {
        this.#running = true;
        this.#intervalMs = intervalMs;
        this.#sinceMs = Math.max(this.#sinceMs, sinceMs);
        if (!this.#controller) {
            this.#arm();
        }
    }

    /** Ask in `delayMs` at the latest; the request that is under way, if any, counts. */
    soon(delayMs) {
        const atMs = this.#adapters.now() + delayMs;
        if (this.#running && !this.#controller && !(this.#timer.armed && this.#dueAtMs <= atMs)) {
            this.#armAt(atMs);
        }
    }

    /**
     * Ask now, and after the request that is under way, if any, once more: what comes back began after this call.
     *
     * Resolves to whether the server gave an answer. Waits as long as the server asked us to (`Retry-After`).
     */
    refresh() {
        const answered = new Promise((resolve) => this.#waiters.push({ number: this.started + 1, resolve }));
        if (this.#controller) {
            this.#again = true;
        } else {
            this.#due();
        }
        return answered;
    }

    /** Drop what is remembered of earlier answers, and the request that is under way. */
    forget() {
        this.#etag = null;
        this.#last = null;
        this.#again = false;
        this.#cancel();
        if (this.#running) {
            this.#arm();
        }
    }

    /** Stop asking; nothing stays armed or under way. */
    pause() {
        this.#running = false;
        this.#timer.stop();
        this.#cancel();
        this.#again = false;
        this.#failures = 0;
        this.#settle(Infinity, false);
    }

    #arm() {
        const { random, now } = this.#adapters;
        const delayMs = this.#failures
            ? failureDelayMs(this.#failures, this.#timings, random)
            : pollDelayMs(this.#intervalMs, random);
        const base = Math.max(this.#startedAtMs, this.#sinceMs);
        this.#armAt((base === -Infinity ? now() : base) + delayMs);
    }

    #armAt(atMs) {
        this.#dueAtMs = atMs;
        this.#timer.start(atMs - this.#adapters.now());
    }

    #due() {
        if (this.#adapters.now() < this.#holdUntilMs) {
            this.#armAt(this.#holdUntilMs);
        } else {
            this.#begin();
        }
    }

    async #begin() {
        const controller = new AbortController();
        const number = ++this.started;
        this.#controller = controller;
        this.#startedAtMs = this.#adapters.now();
        this.#timer.stop();
        this.#timeout.start(this.#timings.requestTimeoutMs);
        this.#on.start();
        let outcome;
        try {
            outcome = await this.#ask(controller.signal);
        } catch (error) {
            outcome = { error };
        }
        if (this.#controller === controller) {
            this.#controller = null;
            this.#timeout.stop();
            this.#finish(number, outcome);
        }
    }

    async #ask(signal) {
        const headers = { Accept: "application/json" };
        if (this.#etag) {
            headers["If-None-Match"] = this.#etag;
        }
        const response = await this.#adapters.fetch(this.#url, {
            headers,
            signal,
            cache: "no-store", // our own ETag, not the browser's: a 304 must reach us
            credentials: "same-origin",
        });
        if (response.status === 401) {
            return { signedOut: true };
        }
        if (response.status === 304 && this.#last) {
            return { unreadSet: this.#last };
        }
        if (!response.ok) {
            const error = new Error(`The inbox answered with status ${response.status}.`);
            error.status = response.status;
            error.retryAfter = response.headers.get("Retry-After");
            throw error;
        }
        const unreadSet = toUnreadSet(await response.json());
        if (!unreadSet) {
            throw new Error("The inbox answered with something that is not an unread set.");
        }
        return { unreadSet, etag: response.headers.get("ETag") };
    }

    #finish(number, outcome) {
        if (outcome.signedOut) {
            this.#on.signedOut();
            return;
        }
        if (outcome.error) {
            this.#failures += 1;
            this.#hold(outcome.error);
        } else {
            this.#failures = 0;
            if (outcome.etag !== undefined) {
                this.#etag = outcome.etag;
                this.#last = outcome.unreadSet;
            }
        }
        const again = this.#again;
        this.#again = false;
        if (this.#running) {
            this.#arm();
        }
        if (outcome.error) {
            this.#on.failure(outcome.error);
        } else {
            this.#on.result(number, outcome.unreadSet);
        }
        this.#settle(number, !outcome.error);
        if (again && this.#running && !this.#controller) {
            this.#due();
        }
    }

    #hold(error) {
        if (error.status === 429 || error.status === 503) {
            const askedMs = retryAfterMs(error.retryAfter, this.#timings, this.#adapters.wallNow());
            if (askedMs !== null) {
                this.#failures = 1; // the server's word replaces our own back-off
                this.#holdUntilMs = this.#adapters.now() + askedMs;
            }
        }
    }

    #cancel() {
        const controller = this.#controller;
        this.#controller = null;
        this.#timeout.stop();
        controller?.abort();
    }

    #settle(number, answered) {
        const due = this.#waiters.filter((waiter) => waiter.number <= number);
        this.#waiters = this.#waiters.filter((waiter) => waiter.number > number);
        for (const waiter of due) {
            waiter.resolve(answered);
        }
    }
}
