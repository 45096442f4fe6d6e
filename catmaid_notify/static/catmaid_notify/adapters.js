/**
 * Everything that the client takes from its surroundings, in one place, so that tests can hand in their own. Nothing of it is
 * called as a method of this object: browsers wouldn't have that.
 *
 * `now` is monotonic: somebody who sets the clock must not stop the poller. `wallNow` is only for HTTP dates.
 */
export function browserAdapters() {
    const { WebSocket, BroadcastChannel, fetch, setTimeout, clearTimeout, reportError, document, window, navigator } = globalThis;
    return {
        WebSocket,
        BroadcastChannel,
        fetch,
        setTimeout,
        clearTimeout,
        reportError,
        document,
        window,
        locks: navigator?.locks, // on https and localhost only
        now: () => performance.now(),
        wallNow: Date.now,
        random: Math.random,
    };
}
