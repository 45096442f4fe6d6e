/**
 * Everything that the client takes from its surroundings, in one place, so that tests can hand in their own.
 *
 * `now` is monotonic: somebody who sets the clock must not stop the poller. `wallNow` is only for HTTP dates.
 */
export function browserAdapters() {
    return {
        WebSocket: globalThis.WebSocket,
        fetch: (...args) => globalThis.fetch(...args),
        setTimeout: (fn, delayMs) => globalThis.setTimeout(fn, delayMs),
        clearTimeout: (handle) => globalThis.clearTimeout(handle),
        now: () => performance.now(),
        wallNow: () => Date.now(),
        random: Math.random,
        document: globalThis.document,
        window: globalThis.window,
        logger: null,
        reportError: (error) => (globalThis.reportError ?? console.error)(error),
    };
}
