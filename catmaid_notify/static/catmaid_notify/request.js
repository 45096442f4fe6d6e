import { REQUEST_TIMEOUT_MS } from "./backoff.js";
import { makeTimer } from "./timer.js";

/**
 * Make a request as the page's user, and return `{response, body}`; the body is JSON, `undefined` for a 304.
 *
 * Rejects for every other answer that isn't a good one, with its `status` and `retryAfter`, and when `controller` aborts,
 * as it does when that takes too long.
 */
export async function request({ adapters, url, controller, headers, ...init }) {
    const { fetch } = adapters;
    const { signal } = controller;
    const timeout = makeTimer(adapters, () => controller.abort());
    signal.onabort = timeout.stop;
    timeout.start(REQUEST_TIMEOUT_MS);
    try {
        const response = await fetch(url, {
            headers: { Accept: "application/json", ...headers },
            credentials: "same-origin",
            signal,
            ...init,
        });
        const { ok, status } = response;
        if (!ok && status !== 304) {
            const retryAfter = response.headers.get("Retry-After");
            throw Object.assign(new Error(`${url} was answered with status ${status}.`), { status, retryAfter });
        }
        return { response, body: ok ? await response.json() : undefined };
    } finally {
        timeout.stop();
    }
}
