import assert from "node:assert/strict";
import { test } from "node:test";

import { languageOf, relativeTime } from "../../../catmaid_notify/static/catmaid_notify/ui/relative_time.js";

test("times as people say them", () => {
    const nowMs = Date.parse("2026-11-21T12:00:00Z");
    const cases = [
        [-60, "now"], // the clock of this computer is behind
        [44, "now"],
        [50, "1 min. ago"],
        [180, "3 min. ago"],
        [3_600, "1 hr. ago"],
        [86_400, "yesterday"],
        [3 * 86_400, "3 days ago"],
        [15 * 86_400, "2 wk. ago"],
        [800 * 86_400, "2 yr. ago"],
    ];
    for (const [seconds, expected] of cases) {
        assert.equal(relativeTime(nowMs - seconds * 1000, nowMs, "en"), expected);
    }
});

test("times in the language of the texts", () => {
    const nowMs = Date.parse("2026-11-21T12:00:00Z");
    assert.equal(relativeTime(nowMs - 180_000, nowMs, "de"), "vor 3 Min.");
    assert.equal(relativeTime(nowMs, nowMs, "es"), "ahora");
});

test("a language that is none leaves it to the browser", () => {
    assert.equal(languageOf({ lang: "pt-br" }), "pt-BR");
    for (const lang of ["", "pt_BR", "not a language"]) {
        assert.equal(languageOf({ lang }), undefined, lang);
        assert.ok(relativeTime(0, 180_000, languageOf({ lang })));
    }
});
