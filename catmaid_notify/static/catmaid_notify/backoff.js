/**
 * All waiting times, and the pure functions that draw them. `random` returns a number in [0, 1).
 *
 * Plain numbers come first: those before anything else esbuild puts where they are used.
 */

export const FIRST_SYNC_MS = 2_000; // a page whose socket is slow to open shows its inbox all the same
export const REQUEST_TIMEOUT_MS = 15_000;
export const FAILURE_CAP_MS = 300_000;
export const RETRY_AFTER_MIN_MS = 15_000;
export const RETRY_AFTER_MAX_MS = 900_000;

export const HELLO_TIMEOUT_MS = 10_000;
export const SILENCE_GRACE_MS = 9_500; // on top of pingMs: with the answer to wait for, less than 40 s in all
export const PROBE_ANSWER_MS = 5_000;
export const RECONNECT_FLOOR_MS = 250;
export const RECONNECT_BASE_MS = 3_000;
export const RECONNECT_CAP_MS = 60_000;
export const SETTLE_MS = 10_000; // a socket that lives this long is a good one
export const GIVE_UP_MS = 30_000;
export const GIVE_UP_FAILURES = 3;
export const WAKE_SPREAD_MS = 1_000;
export const CROWDED_MS = 300_000;
export const THROTTLED_MS = 60_000;

// Between the tabs of one browser
export const LEADER_QUIET_MS = 10_000; // a leader that is silent for so long is asked
export const LEADER_ANSWER_MS = 5_000; // and has so long to answer

/** What the server says in `hello` replaces these. */
export const INTERVALS = {
    pollMs: 60_000,
    syncMs: 600_000, // how often a live page compares itself with the inbox
    pingMs: 25_000,
};

/** Between tries of the socket while polling. */
export const PROBE_MS = [5_000, 15_000, 30_000, 60_000, 120_000, 300_000];

/** Return the wait before reconnecting after `failures` (0 for the first): full jitter, so that 1,000 tabs spread. */
export function reconnectDelayMs(failures, random) {
    return RECONNECT_FLOOR_MS + random() * Math.min(RECONNECT_CAP_MS, RECONNECT_BASE_MS * 2 ** failures);
}

/** Return the wait before the socket is tried again while polling, ± 25 %. */
export function probeDelayMs(probes, random) {
    return (PROBE_MS[probes] ?? PROBE_MS.at(-1)) * (0.75 + 0.5 * random());
}

/** Return the wait between two polls: never longer than `intervalMs`, up to 10 % shorter so that tabs don't beat together. */
export function pollDelayMs(intervalMs, random) {
    return intervalMs * (1 - 0.1 * random());
}

/** Return the interval after the `failures`-th failed request in a row (1 for the first): once, twice, four times … the usual one. */
export function failureIntervalMs(failures, pollMs) {
    return Math.min(Math.max(FAILURE_CAP_MS, pollMs), pollMs * 2 ** (failures - 1));
}

/** Return what a `Retry-After` header (seconds or an HTTP date) asks for, within bounds; `NaN` where there is none. */
export function retryAfterMs(header, wallNowMs) {
    const askedMs = /^\d+$/.test(header) ? header * 1000 : Date.parse(header) - wallNowMs;
    return Math.min(Math.max(askedMs, RETRY_AFTER_MIN_MS), RETRY_AFTER_MAX_MS);
}
