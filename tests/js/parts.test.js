/** The small parts of the bundled inbox that need no page. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { Announcer } from "../../catmaid_notify/static/catmaid_notify/announcer.js";
import { safeUrl } from "../../catmaid_notify/static/catmaid_notify/dom.js";
import { News } from "../../catmaid_notify/static/catmaid_notify/news.js";
import { languageOf, timeAgo } from "../../catmaid_notify/static/catmaid_notify/times.js";
import { FakeClock } from "./helpers/clock.js";

test("links lead to http(s) only", () => {
    const base = "https://lab.example/catmaid/";
    const cases = [
        ["/download/1", "https://lab.example/download/1"],
        ["download/1?a=b#c", "https://lab.example/catmaid/download/1?a=b#c"],
        ["https://elsewhere.example/x", "https://elsewhere.example/x"],
        ["http://elsewhere.example/x", "http://elsewhere.example/x"],
        ["javascript:alert(1)", null],
        [" JaVaScRiPt:alert(1)", null],
        ["java\nscript:alert(1)", null],
        ["data:text/html,x", null],
        ["blob:https://lab.example/1", null],
        ["file:///etc/passwd", null],
        ["http://[", null],
        ["", null],
    ];
    for (const [action, expected] of cases) {
        assert.equal(safeUrl(action, base), expected, action);
    }
});

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
        assert.equal(timeAgo(nowMs - seconds * 1000, nowMs, "en"), expected);
    }
});

test("times in the language of the texts", () => {
    const nowMs = Date.parse("2026-11-21T12:00:00Z");
    assert.equal(timeAgo(nowMs - 180_000, nowMs, "de"), "vor 3 Min.");
    assert.equal(timeAgo(nowMs, nowMs, "es"), "ahora");
});

test("announcements: one in 2 s at most, several messages as their number", async () => {
    const clock = new FakeClock();
    const said = [];
    const announcer = new Announcer({
        adapters: clock,
        say: (text) => said.push([clock.now(), text]),
        describe: (titles) => (titles.length === 1 ? `New message: ${titles[0]}` : `New messages: ${titles.length}`),
    });
    announcer.add("A");
    await clock.advance(500);
    for (const title of ["B", "C", "D"]) {
        announcer.add(title);
    }
    await clock.advance(10_000);
    announcer.add("A");
    await clock.advance(0);
    assert.deepEqual(said, [
        [0, "New message: A"],
        [2_000, "New messages: 3"],
        [4_000, ""],
        [10_500, "New message: A"],
    ]);
    announcer.stop();
    assert.equal(clock.armed, 0);
});

function memory() {
    const values = new Map();
    return { getItem: (key) => values.get(key) ?? null, setItem: (key, value) => values.set(key, value) };
}

test("a tab's first page takes the backlog as known, its next page what came in between as news", () => {
    const storage = memory();
    const first = new News({ messagesUrl: "/m/", user: "7" }, storage);
    assert.equal(first.isNew({ id: 5 }, true), false);
    assert.equal(first.isNew({ id: 6 }, false), true);
    first.settle();
    const second = new News({ messagesUrl: "/m/", user: "7" }, storage);
    assert.equal(second.isNew({ id: 6 }, true), false);
    assert.equal(second.isNew({ id: 7 }, true), true);
    const other = new News({ messagesUrl: "/m/", user: "8" }, storage);
    assert.equal(other.isNew({ id: 9 }, true), false);
});

test("pages of another site on the same origin have ids of their own", () => {
    const storage = memory();
    new News({ messagesUrl: "/a/m/", user: "7" }, storage).isNew({ id: 5_000 }, false);
    new News({ messagesUrl: "/b/m/", user: "7" }, storage).isNew({ id: 200 }, false);
    assert.equal(new News({ messagesUrl: "/b/m/", user: "7" }, storage).isNew({ id: 201 }, true), true);
});

test("Back to a page: what later pages have shown is no news there, what comes then is", () => {
    const storage = memory();
    const who = { messagesUrl: "/m/", user: "7" };
    const first = new News(who, storage);
    assert.equal(first.isNew({ id: 5 }, false), true);
    assert.equal(new News(who, storage).isNew({ id: 7 }, false), true);
    first.resume();
    assert.equal(first.isNew({ id: 7 }, false), false);
    assert.equal(first.isNew({ id: 8 }, false), true);
});

test("a language that is none leaves it to the browser", () => {
    assert.equal(languageOf({ lang: "pt-br" }), "pt-BR");
    for (const lang of ["", "pt_BR", "not a language"]) {
        assert.equal(languageOf({ lang }), undefined, lang);
        assert.ok(timeAgo(0, 180_000, languageOf({ lang })));
    }
});

test("a first page with an empty inbox counts, too", () => {
    const storage = memory();
    new News({ messagesUrl: "/m/", user: "7" }, storage).settle();
    assert.equal(new News({ messagesUrl: "/m/", user: "7" }, storage).isNew({ id: 1 }, true), true);
});

test("without storage the backlog is never news", () => {
    const broken = {
        getItem() {
            throw new Error("SecurityError");
        },
        setItem() {
            throw new Error("QuotaExceededError");
        },
    };
    for (const storage of [null, broken]) {
        const news = new News({ messagesUrl: "/m/", user: "7" }, storage);
        assert.equal(news.isNew({ id: 1 }, true), false);
        assert.equal(news.isNew({ id: 2 }, false), true);
        news.settle();
    }
});
