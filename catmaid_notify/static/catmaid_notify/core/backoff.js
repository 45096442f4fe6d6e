/**
 * Time-outs, intervals and back-off delays of the client. `random` returns a number in [0, 1).
 *
 * Plain numbers come first: esbuild inlines only constants that precede all other code.
 */

export const FIRST_SYNC_MS = 2_000; // limit for the first poll: the inbox doesn't wait for a slow socket
export const REQUEST_TIMEOUT_MS = 15_000;
export const FAILURE_CAP_MS = 300_000;
export const RETRY_AFTER_MIN_MS = 15_000;
export const RETRY_AFTER_MAX_MS = 900_000;

export const HELLO_TIMEOUT_MS = 10_000;
export const SILENCE_GRACE_MS = 9_500; // in addition to pingMs; with PROBE_ANSWER_MS a dead socket is found within 40 s
export const PROBE_ANSWER_MS = 5_000;
export const RECONNECT_FLOOR_MS = 250;
export const RECONNECT_BASE_MS = 3_000;
export const RECONNECT_CAP_MS = 60_000;
export const SETTLE_MS = 10_000; // a socket that stays open this long resets the back-off
export const GIVE_UP_MS = 30_000;
export const GIVE_UP_FAILURES = 3;
export const WAKE_SPREAD_MS = 1_000;
export const CROWDED_MS = 300_000;
export const THROTTLED_MS = 60_000;

// Leader election among the tabs of one browser
export const LEADER_QUIET_MS = 10_000; // a follower asks a leader that is silent this long
export const LEADER_ANSWER_MS = 5_000; // the leader's time to answer

/** Default intervals; those in the server's `hello` replace them. */
export const INTERVALS = {
    pollMs: 60_000,
    syncMs: 600_000, // polls of a live page, as a safeguard
    pingMs: 25_000,
};

/** Delays between connection attempts while polling. */
export const PROBE_MS = [5_000, 15_000, 30_000, 60_000, 120_000, 300_000];

/** Return the delay before the next connection attempt, with full jitter; `failures` is 0 after the first one. */
export function reconnectDelayMs(failures, random) {
    return RECONNECT_FLOOR_MS + random() * Math.min(RECONNECT_CAP_MS, RECONNECT_BASE_MS * 2 ** failures);
}

/** Return the delay before the next connection attempt while polling, ± 25 %. */
export function probeDelayMs(probes, random) {
    return (PROBE_MS[probes] ?? PROBE_MS.at(-1)) * (0.75 + 0.5 * random());
}

/** Return the delay between two polls: `intervalMs` or up to 10 % less, so that tabs don't poll in step. */
export function pollDelayMs(intervalMs, random) {
    return intervalMs * (1 - 0.1 * random());
}

/** Return the poll interval after `failures` failed requests in a row: `pollMs` after the first, then doubled each time. */
export function failureIntervalMs(failures, pollMs) {
    return Math.min(Math.max(FAILURE_CAP_MS, pollMs), pollMs * 2 ** (failures - 1));
}

/** Return the delay of a `Retry-After` header (seconds or an HTTP date), clamped; `NaN` without a valid header. */
export function retryAfterMs(header, wallNowMs) {
    const askedMs = /^\d+$/.test(header) ? header * 1000 : Date.parse(header) - wallNowMs;
    return Math.min(Math.max(askedMs, RETRY_AFTER_MIN_MS), RETRY_AFTER_MAX_MS);
}
