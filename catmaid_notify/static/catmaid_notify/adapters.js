/**
 * Everything that the client takes from its surroundings, in one place, so that tests can hand in their own.
 *
 * `now` is monotonic: somebody who sets the clock must not stop the poller. `wallNow` is only for HTTP dates.
 */
export function browserAdapters() {
    const { WebSocket, BroadcastChannel, document, navigator, window } = globalThis;
    return {
        WebSocket,
        BroadcastChannel,
        locks: navigator?.locks, // on https and localhost only
        fetch: (...args) => globalThis.fetch(...args),
        setTimeout: (fn, delayMs) => globalThis.setTimeout(fn, delayMs),
        clearTimeout: (handle) => globalThis.clearTimeout(handle),
        now: () => performance.now(),
        wallNow: () => Date.now(),
        random: Math.random,
        document,
        window,
        logger: null,
        reportError: (error) => (globalThis.reportError ?? console.error)(error),
    };
}
