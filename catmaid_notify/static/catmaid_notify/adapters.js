/**
 * Everything that the client takes from its surroundings, in one place, so that tests can hand in their own.
 *
 * `now` is monotonic: somebody who sets the clock must not stop the poller. `wallNow` is only for HTTP dates.
 */
export function browserAdapters() {
    const { WebSocket, BroadcastChannel, document, window, navigator } = globalThis;
    return {
        WebSocket,
        BroadcastChannel,
        document,
        window,
        locks: navigator?.locks, // on https and localhost only
        fetch: (...args) => fetch(...args), // browsers don't have them called as methods of something else
        setTimeout: (...args) => setTimeout(...args),
        clearTimeout: (handle) => clearTimeout(handle),
        reportError: (error) => reportError(error),
        now: () => performance.now(),
        wallNow: () => Date.now(),
        random: Math.random,
    };
}
