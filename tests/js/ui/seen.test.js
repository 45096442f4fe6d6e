import assert from "node:assert/strict";
import { test } from "node:test";

import { SeenMessages } from "../../../catmaid_notify/static/catmaid_notify/ui/seen.js";

function memory() {
    const values = new Map();
    return { getItem: (key) => values.get(key) ?? null, setItem: (key, value) => values.set(key, value) };
}

test("a tab's first page takes the backlog as known, its next page what came in between as news", () => {
    const storage = memory();
    const first = new SeenMessages({ messagesUrl: "/m/", user: "7" }, storage);
    assert.equal(first.isNew({ id: 5 }, true), false);
    assert.equal(first.isNew({ id: 6 }, false), true);
    first.save();
    const second = new SeenMessages({ messagesUrl: "/m/", user: "7" }, storage);
    assert.equal(second.isNew({ id: 6 }, true), false);
    assert.equal(second.isNew({ id: 7 }, true), true);
    const other = new SeenMessages({ messagesUrl: "/m/", user: "8" }, storage);
    assert.equal(other.isNew({ id: 9 }, true), false);
});

test("pages of another site on the same origin have ids of their own", () => {
    const storage = memory();
    new SeenMessages({ messagesUrl: "/a/m/", user: "7" }, storage).isNew({ id: 5_000 }, false);
    new SeenMessages({ messagesUrl: "/b/m/", user: "7" }, storage).isNew({ id: 200 }, false);
    assert.equal(new SeenMessages({ messagesUrl: "/b/m/", user: "7" }, storage).isNew({ id: 201 }, true), true);
});

test("Back to a page: what later pages have shown is no news there, what comes then is", () => {
    const storage = memory();
    const who = { messagesUrl: "/m/", user: "7" };
    const first = new SeenMessages(who, storage);
    assert.equal(first.isNew({ id: 5 }, false), true);
    assert.equal(new SeenMessages(who, storage).isNew({ id: 7 }, false), true);
    first.resume();
    assert.equal(first.isNew({ id: 7 }, false), false);
    assert.equal(first.isNew({ id: 8 }, false), true);
});

test("a first page with an empty inbox counts, too", () => {
    const storage = memory();
    new SeenMessages({ messagesUrl: "/m/", user: "7" }, storage).save();
    assert.equal(new SeenMessages({ messagesUrl: "/m/", user: "7" }, storage).isNew({ id: 1 }, true), true);
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
        const seen = new SeenMessages({ messagesUrl: "/m/", user: "7" }, storage);
        assert.equal(seen.isNew({ id: 1 }, true), false);
        assert.equal(seen.isNew({ id: 2 }, false), true);
        seen.save();
    }
});
