/**
 * All waiting times, and the pure functions that draw them. `random` returns a number in [0, 1).
 */

export const TIMINGS = Object.freeze({
    // What the server says in `hello` replaces these three.
    pollMs: 60_000,
    syncMs: 600_000, // how often a live page compares itself with the inbox
    pingMs: 25_000,

    firstSyncMs: 2_000, // a page whose socket is slow to open shows its inbox all the same
    requestTimeoutMs: 15_000,
    failureCapMs: 300_000,
    retryAfterMinMs: 15_000,
    retryAfterMaxMs: 900_000,

    helloTimeoutMs: 10_000,
    silenceGraceMs: 10_000, // on top of pingMs
    probeAnswerMs: 5_000,
    reconnectFloorMs: 250,
    reconnectBaseMs: 3_000,
    reconnectCapMs: 60_000,
    settleMs: 10_000, // a socket that lives this long is a good one
    giveUpMs: 30_000,
    giveUpFailures: 3,
    wakeSpreadMs: 1_000,
    probeMs: Object.freeze([15_000, 30_000, 60_000, 120_000, 300_000]),
    crowdedMs: 300_000,
    throttledMs: 60_000,
});

/** Return the wait before reconnecting after `failures` (0 for the first): full jitter, so that 1,000 tabs spread. */
export function reconnectDelayMs(failures, timings, random) {
    const { reconnectFloorMs, reconnectBaseMs, reconnectCapMs } = timings;
    return reconnectFloorMs + random() * Math.min(reconnectCapMs, reconnectBaseMs * 2 ** failures);
}

/** Return the wait before the socket is tried again while polling, ± 25 %. */
export function probeDelayMs(probes, timings, random) {
    const steps = timings.probeMs;
    return steps[Math.min(probes, steps.length - 1)] * (0.75 + 0.5 * random());
}

/** Return the wait between two polls: never longer than `intervalMs`, up to 10 % shorter so that tabs don't beat together. */
export function pollDelayMs(intervalMs, random) {
    return intervalMs * (1 - 0.1 * random());
}

/** Return the wait after the `failures`-th failed request in a row (1 for the first): once, twice, four times … the interval. */
export function failureDelayMs(failures, timings, random) {
    const { pollMs, failureCapMs } = timings;
    return pollDelayMs(Math.min(Math.max(failureCapMs, pollMs), pollMs * 2 ** (failures - 1)), random);
}

/** Return what a `Retry-After` header (seconds or an HTTP date) asks for, within bounds; `null` where there is none. */
export function retryAfterMs(header, timings, wallNowMs) {
    if (!header) {
        return null;
    }
    const askedMs = /^\s*\d+\s*$/.test(header) ? Number(header) * 1000 : Date.parse(header) - wallNowMs;
    if (Number.isNaN(askedMs)) {
        return null;
    }
    return Math.min(Math.max(askedMs, timings.retryAfterMinMs), timings.retryAfterMaxMs);
}
