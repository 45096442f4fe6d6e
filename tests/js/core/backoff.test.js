import assert from "node:assert/strict";
import { test } from "node:test";

import * as backoff from "../../../catmaid_notify/static/catmaid_notify/core/backoff.js";

const { failureIntervalMs, pollDelayMs, probeDelayMs, reconnectDelayMs, retryAfterMs } = backoff;

const low = () => 0;
const high = () => 1;

test("reconnect: 0.25 s + U[0, min(60 s, 3 s · 2ⁿ)]", () => {
    const tops = [0, 1, 2, 3, 4, 5, 6, 50].map((n) => reconnectDelayMs(n, high));
    assert.deepEqual(tops, [3_250, 6_250, 12_250, 24_250, 48_250, 60_250, 60_250, 60_250]);
    assert.equal(reconnectDelayMs(5, low), 250);
});

test("probe: 5, 15, 30, 60, 120, then every 300 s, ± 25 %", () => {
    const middle = [0, 1, 2, 3, 4, 5, 99].map((n) => probeDelayMs(n, () => 0.5));
    assert.deepEqual(middle, [5_000, 15_000, 30_000, 60_000, 120_000, 300_000, 300_000]);
    assert.equal(probeDelayMs(1, low), 11_250);
    assert.equal(probeDelayMs(1, high), 18_750);
});

test("poll: within 10 %, and never more than the interval", () => {
    assert.equal(pollDelayMs(60_000, low), 60_000);
    assert.equal(pollDelayMs(60_000, high), 54_000);
});

test("failed requests: 60, 120, 240, 300 s", () => {
    const delays = [1, 2, 3, 4, 5, 30].map((n) => failureIntervalMs(n, 60_000));
    assert.deepEqual(delays, [60_000, 120_000, 240_000, 300_000, 300_000, 300_000]);
});

test("failed requests never come sooner than polls, however slow those are", () => {
    assert.equal(failureIntervalMs(3, 900_000), 900_000);
});

test("Retry-After: seconds or a date, 15 s at least, 15 min at most", () => {
    const nowMs = Date.parse("2026-11-21T10:00:00Z");
    const cases = [
        ["60", 60_000],
        ["20", 20_000],
        ["0", 15_000],
        ["86400", 900_000],
        ["Sat, 21 Nov 2026 10:02:00 GMT", 120_000],
        ["Sat, 21 Nov 2026 09:00:00 GMT", 15_000],
        ["soon", NaN],
        ["", NaN],
        [null, NaN],
    ];
    for (const [header, expected] of cases) {
        assert.equal(retryAfterMs(header, nowMs), expected, String(header));
    }
});

test("the tables say what the documentation says", () => {
    assert.deepEqual(backoff.INTERVALS, { pollMs: 60_000, syncMs: 600_000, pingMs: 25_000 });
    const { REQUEST_TIMEOUT_MS, HELLO_TIMEOUT_MS, SILENCE_GRACE_MS, PROBE_ANSWER_MS, SETTLE_MS } = backoff;
    assert.deepEqual(
        [REQUEST_TIMEOUT_MS, HELLO_TIMEOUT_MS, SILENCE_GRACE_MS, PROBE_ANSWER_MS, SETTLE_MS],
        [15_000, 10_000, 9_500, 5_000, 10_000],
    );
    assert.equal(backoff.LEADER_QUIET_MS + backoff.LEADER_ANSWER_MS, 15_000);
});
