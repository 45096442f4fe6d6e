/**
 * Adapters: all browser APIs that the client uses, in one object. Tests replace them.
 *
 * `now` is monotonic, so that a change of the system clock doesn't stop the poller. `wallNow` is for HTTP dates only.
 */
export function browserAdapters() {
    const { WebSocket, BroadcastChannel, document, window, navigator, fetch, setTimeout, clearTimeout, reportError } = globalThis;
    return {
        WebSocket,
        BroadcastChannel,
        document,
        window,
        locks: navigator?.locks, // in secure contexts only: https and localhost
        // Callers must destructure these: browsers throw if they are called as methods of another object.
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
