import { REQUEST_TIMEOUT_MS } from "./backoff.js";
import { makeTimer } from "./timer.js";

/** Return what makes requests as the page's user, and can end all that are under way. */
export function makeRequests(adapters) {
    const { fetch } = adapters;
    const open = new Set(); // AbortControllers

    return {
        /**
         * Resolve to `{response, body}`; the body is JSON, `undefined` for a 304. Every other answer that isn't a good one is an
         * error, with its `status` and `retryAfter`, and so is one that takes too long.
         */
        async request(url, { headers, ...init } = {}) {
            const controller = new AbortController();
            const { signal } = controller;
            const timeout = makeTimer(adapters, () => controller.abort());
            signal.onabort = timeout.stop;
            timeout.start(REQUEST_TIMEOUT_MS);
            open.add(controller);
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
                open.delete(controller);
            }
        },

        abort: () => open.forEach((controller) => controller.abort()),
    };
}
