/** HTTP requests with time-out and abort. */

import { REQUEST_TIMEOUT_MS } from "./backoff.js";
import { makeTimer } from "./timer.js";

/** Return `request()` and `abort()`, which aborts all of its pending requests. */
export function makeRequests(adapters) {
    const { fetch } = adapters;
    const pending = new Set(); // AbortControllers

    return {
        /**
         * Resolve to `{response, body}`; `body` is parsed JSON, `undefined` after status 304. Rejects after a time-out, and for
         * other statuses with an error that has `status` and `retryAfter`.
         */
        async request(url, { headers, ...init } = {}) {
            const controller = new AbortController();
            const { signal } = controller;
            const timeout = makeTimer(adapters, () => controller.abort());
            signal.onabort = timeout.stop;
            timeout.start(REQUEST_TIMEOUT_MS);
            pending.add(controller);
            try {
                const response = await fetch(url, { headers: { Accept: "application/json", ...headers }, signal, ...init });
                const { ok, status } = response;
                if (!ok && status !== 304) {
                    const retryAfter = response.headers.get("Retry-After");
                    throw Object.assign(new Error(`${url}: status ${status}`), { status, retryAfter });
                }
                return { response, body: ok ? await response.json() : undefined };
            } finally {
                timeout.stop();
                pending.delete(controller);
            }
        },

        abort: () => pending.forEach((controller) => controller.abort()),
    };
}
