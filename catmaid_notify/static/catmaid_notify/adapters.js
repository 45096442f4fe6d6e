/**
 * Everything that the client takes from its surroundings, in one place, so that tests can hand in their own.
 *
 * `now` is monotonic: somebody who sets the clock must not stop the poller. `wallNow` is only for HTTP dates.
 */
export function browserAdapters() {
    const { WebSocket, BroadcastChannel, document, window, navigator, fetch, setTimeout, clearTimeout, reportError } = globalThis;
    return {
        WebSocket,
        BroadcastChannel,
        document,
        window,
        locks: navigator?.locks, // on https and localhost only
        // To be called by these bare names: browsers don't have them called as methods of something else.
        fetch,
        setTimeout,
        clearTimeout,
        reportError,
        now: () => performance.now(),
        wallNow: Date.now,
        random: Math.random,
        importTasks: () => import("./tasks.js"),
        importTopics: () => import("./topics.js"),
    };
}
