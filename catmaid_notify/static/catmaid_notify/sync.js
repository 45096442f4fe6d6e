import { failureDelayMs, pollDelayMs, retryAfterMs } from "./backoff.js";
import { request } from "./request.js";
import { toUnreadSet } from "./shapes.js";
import { Timer } from "./timer.js";

/**
 * Fetches the unread set: on demand, and again and again in the pace that it is given. One timer, one request at a time.
 */
export class InboxSync {
    #adapters;
    #url;
    #intervals;
    #on;
    #timer;
    #controller = null; // of the request that is under way
    #waiters = []; // for the request that is under way, or the next one
    #later = []; // for the one after that
    #intervalMs = 0; // 0: paused
    #sinceMs = -Infinity; // when the interval began
    #dueAtMs = 0;
    #holdUntilMs = 0;
    #failures = 0;
    #etag = null;
    #last = null;

    /** Number of requests so far. It tells whether something happened before or after a request began. */
    started = 0;

    /** `on` has `result(unreadSet)` and `failure(error)`. */
    constructor({ adapters, url, intervals, on }) {
        this.#adapters = adapters;
        this.#url = url;
        this.#intervals = intervals;
        this.#on = on;
        this.#timer = new Timer(adapters, () => this.#due());
    }

    /** Ask every `intervalMs` from now on, counted from the last request's start, or from now if `afresh`. */
    pace(intervalMs, afresh) {
        this.#intervalMs = intervalMs;
        if (afresh || this.#sinceMs < 0) {
            this.#sinceMs = this.#adapters.now();
        }
        if (!this.#controller) {
            this.#arm();
        }
    }

    /** Ask in `delayMs` at the latest; the request that is under way, if any, counts. */
    soon(delayMs) {
        if (this.#intervalMs && !this.#controller) {
            this.#armAt(Math.min(this.#dueAtMs, this.#adapters.now() + delayMs));
        }
    }

    /**
     * Ask now, and after the request that is under way, if any, once more: what comes back began after this call.
     *
     * Resolves to whether the server gave an answer. Waits as long as the server asked us to (`Retry-After`).
     */
    refresh() {
        return new Promise((resolve) => {
            if (this.#controller) {
                this.#later.push(resolve);
            } else {
                this.#waiters.push(resolve);
                this.#due();
            }
        });
    }

    /** Drop what is remembered of earlier answers, and the request that is under way. */
    forget() {
        this.#etag = null;
        this.#cancel();
        this.#waiters.push(...this.#later.splice(0));
        if (this.#intervalMs) {
            this.#arm();
        }
    }

    /** Stop asking; nothing stays armed or under way. */
    pause() {
        this.#intervalMs = 0;
        this.#failures = 0;
        this.#timer.stop();
        this.#cancel();
        this.#settle([...this.#waiters.splice(0), ...this.#later.splice(0)], false);
    }

    #arm() {
        const { random } = this.#adapters;
        this.#armAt(
            this.#sinceMs +
                (this.#failures
                    ? failureDelayMs(this.#failures, this.#intervals.pollMs, random)
                    : pollDelayMs(this.#intervalMs, random)),
        );
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
        this.#controller = controller;
        this.#timer.stop();
        this.#sinceMs = this.#adapters.now();
        this.started += 1;
        let unreadSet = null;
        let failure = null;
        try {
            unreadSet = await this.#ask(controller);
        } catch (error) {
            failure = error;
        }
        if (this.#controller === controller) {
            this.#controller = null;
            this.#finish(unreadSet, failure);
        }
    }

    async #ask(controller) {
        const { response, body } = await request({
            adapters: this.#adapters,
            url: this.#url,
            controller,
            headers: this.#etag && { "If-None-Match": this.#etag },
            cache: "no-store", // our own ETag, not the browser's: a 304 must reach us
        });
        const unreadSet = body === undefined ? this.#last : toUnreadSet(body);
        if (!unreadSet) {
            throw new Error("The inbox answered with something that is not an unread set.");
        }
        if (this.#controller === controller && body) {
            this.#etag = response.headers.get("ETag");
            this.#last = unreadSet;
        }
        return unreadSet;
    }

    #finish(unreadSet, failure) {
        const waiters = this.#waiters;
        this.#waiters = this.#later;
        this.#later = [];
        this.#failures = failure ? this.#failures + 1 : 0;
        if (failure) {
            this.#hold(failure);
        }
        if (this.#intervalMs) {
            this.#arm();
        }
        if (failure) {
            this.#on.failure(failure);
        } else {
            this.#on.result(unreadSet);
        }
        this.#settle(waiters, !failure);
        if (this.#waiters.length > 0 && !this.#controller) {
            this.#due();
        }
    }

    #hold({ status, retryAfter }) {
        const askedMs = retryAfterMs(retryAfter, this.#adapters.wallNow());
        if ((status === 429 || status === 503) && askedMs !== null) {
            this.#failures = 1; // the server's word replaces our own back-off
            this.#holdUntilMs = this.#adapters.now() + askedMs;
        }
    }

    #cancel() {
        const controller = this.#controller;
        this.#controller = null;
        controller?.abort();
    }

    #settle(waiters, answered) {
        for (const resolve of waiters) {
            resolve(answered);
        }
    }
}
