import assert from "node:assert/strict";
import { test } from "node:test";

import { flush } from "../helpers/clock.js";
import { json, never, status } from "../helpers/server.js";
import { makeLiveSite, makePollingSite, makeSite } from "../helpers/site.js";

const MINUTE_MS = 60_000;

/** A page that can only poll. */
async function makePoller(options) {
    const site = makeSite({ adapters: { WebSocket: undefined }, random: 0, ...options });
    site.notifier.start();
    await site.clock.advance(0);
    return site;
}

const starts = (site) => site.server.syncs.map(({ atMs }) => atMs);

for (const [random, delayMs] of [
    [0, 60_000],
    [1, 54_000],
]) {
    test(`polls come every ${delayMs} ms, counted from the last start (random ${random})`, async () => {
        const site = await makePoller({ random });
        let slow = () => {};
        site.server.answer = () => new Promise((resolve) => (slow = () => resolve(null)));
        await site.clock.advance(delayMs);
        await site.clock.advance(7_000);
        slow();
        await site.clock.advance(delayMs - 7_000);
        assert.deepEqual(starts(site), [0, delayMs, 2 * delayMs]);
    });
}

test("a request is given up after 15 s", async () => {
    const site = await makePoller();
    site.server.answer = never;
    await site.clock.advance(MINUTE_MS);
    await site.clock.advance(14_999);
    assert.equal(site.server.openRequests.length, 1);
    await site.clock.advance(1);
    assert.equal(site.server.openRequests.length, 0);
    assert.deepEqual(site.details("sync"), [{ ok: true }, { ok: false }]);
});

test("a body that doesn't end is given up after 15 s, too", async () => {
    const site = await makePoller();
    site.server.answer = ({ init }) => {
        const body = new ReadableStream({
            start(controller) {
                controller.enqueue(new TextEncoder().encode('{"user":'));
                init.signal.addEventListener("abort", () => controller.error(init.signal.reason));
            },
        });
        return new Response(body);
    };
    await site.clock.advance(MINUTE_MS + 15_000);
    assert.deepEqual(site.details("sync").at(-1), { ok: false });
});

for (const [name, answer] of [
    ["status 500", () => status(500)],
    ["status 404", () => status(404)],
    ["a login page", () => new Response("<form>", { headers: { "Content-Type": "text/html" } })],
    ["JSON of something else", () => json({ hello: "world" })],
    ["JSON null", () => json(null)],
    ["no network", () => Promise.reject(new TypeError("Failed to fetch"))],
    ["503 without Retry-After", () => status(503)],
    ["304 that nobody asked for", () => status(304)],
]) {
    test(`failures back off 60, 120, 240, 300 s: ${name}`, async () => {
        const site = await makePoller();
        if (name.startsWith("304")) {
            site.notifier.stop();
            site.server.answer = answer;
            const fresh = makeSite({ adapters: { WebSocket: undefined }, random: 0 });
            fresh.server.answer = answer;
            fresh.notifier.start();
            await fresh.clock.advance(MINUTE_MS);
            assert.deepEqual(fresh.details("sync"), [{ ok: false }, { ok: false }]);
            return;
        }
        site.server.answer = answer;
        await site.clock.advance(30 * MINUTE_MS);
        assert.deepEqual(
            starts(site)
                .slice(0, 7)
                .map((ms) => ms / 1000),
            [0, 60, 120, 240, 480, 780, 1080],
        );
        assert.equal(site.notifier.state, "polling");
        assert.equal(site.details("error")[0].kind, "sync");
        site.server.answer = () => null;
        await site.clock.advance(5 * MINUTE_MS);
        const { length } = starts(site);
        await site.clock.advance(2 * MINUTE_MS);
        assert.equal(starts(site).length, length + 2); // every minute again
    });
}

for (const code of [429, 503]) {
    test(`${code} with Retry-After is obeyed, by polls and by everybody else`, async () => {
        const site = await makePoller();
        site.server.answer = () => status(code, { "Retry-After": "200" });
        await site.clock.advance(MINUTE_MS);
        assert.equal(starts(site).length, 2);
        site.server.answer = () => null;
        const asked = site.notifier.sync();
        site.window.fire("online");
        await site.clock.advance(199_999);
        assert.equal(starts(site).length, 2);
        await site.clock.advance(1);
        assert.equal(starts(site).length, 3);
        assert.equal(await asked, true);
    });
}

test("Retry-After of a few seconds doesn't make polls come faster than every minute", async () => {
    const site = await makePoller();
    site.server.answer = () => status(429, { "Retry-After": "1" });
    await site.clock.advance(10 * MINUTE_MS);
    assert.deepEqual(
        starts(site).map((ms) => ms / MINUTE_MS),
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    );
});

test("a live page whose sync fails asks again after a minute, not after ten", async () => {
    const site = await makeLiveSite({ random: 0 });
    site.server.answer = () => status(500);
    void site.notifier.sync();
    await site.clock.advance(0);
    assert.equal(site.notifier.state, "live");
    await site.clock.advance(30_000);
    site.server.socket.push({ event: "ping", payload: {} });
    await site.clock.advance(30_000);
    assert.equal(starts(site).length, 3);
});

test("401 signs out", async () => {
    const site = await makeLiveSite();
    site.server.answer = () => status(401);
    void site.notifier.sync();
    await site.clock.advance(0);
    assert.equal(site.notifier.state, "signedout");
    assert.equal(site.server.openSockets.length, 0);
    assert.equal(site.clock.armed, 0);
});

test("the ETag goes back, and 304 brings the same unread set once more", async () => {
    const site = await makeLiveSite();
    assert.equal(site.server.syncs[0].headers["If-None-Match"], undefined);
    site.server.notify({ id: 3 }, { push: false });
    await site.notifier.sync();
    // A push whose message was read elsewhere in the meantime, and we never heard of it.
    site.server.pushMessage({ id: 4 });
    assert.equal(site.notifier.unread.count, 2);
    assert.equal(await site.notifier.sync(), true);
    assert.ok(site.server.syncs[2].headers["If-None-Match"]);
    assert.deepEqual(
        site.notifier.unread.messages.map(({ id }) => id),
        [3],
    );
    assert.equal(site.notifier.unread.count, 1);
    assert.deepEqual(site.details("read"), [{ all: false, ids: [4] }]);
});

test("the browser's cache is left out: a 304 must reach the script", async () => {
    const site = await makeLiveSite();
    assert.equal(site.server.syncs[0].init.cache, "no-store");
    assert.equal(site.server.syncs[0].init.credentials, undefined); // with cookies, as fetch does by itself
});

test("sync() during a request asks once more, and resolves with that answer", async () => {
    const site = await makeLiveSite();
    const respond = [];
    site.server.answer = () => new Promise((resolve) => respond.push(() => resolve(null)));
    let settled = 0;
    const asked = [site.notifier.sync(), site.notifier.sync(), site.notifier.sync()];
    asked[0].then(() => (settled += 1));
    asked[2].then(() => (settled += 10));
    await flush();
    assert.equal(respond.length, 1);
    respond[0]();
    await flush();
    assert.equal(settled, 1);
    assert.equal(respond.length, 2);
    respond[1]();
    await flush();
    assert.equal(settled, 11);
    assert.equal(respond.length, 2);
});

test("sync() resolves to false where nothing is asked", async () => {
    const site = makeSite();
    assert.equal(await site.notifier.sync(), false);
    await site.notifier.start();
    const asked = site.notifier.sync();
    site.notifier.stop();
    assert.equal(await asked, false);
});

test("entering polling asks at once, although the last poll is seconds old", async () => {
    const site = await makePollingSite();
    assert.equal(site.details("state").at(-1).state, "polling");
    const enteredMs = site.events.find(({ type, detail }) => type === "state" && detail.state === "polling").atMs;
    assert.equal(starts(site).at(-1), enteredMs);
});

test("a page whose socket is slow shows its inbox after 2 s", async () => {
    const site = makeSite();
    site.server.greets = false;
    site.server.notify({ id: 1 }, { push: false });
    site.notifier.start();
    await site.clock.advance(1_999);
    assert.deepEqual(site.shown(), []);
    await site.clock.advance(1);
    assert.deepEqual(site.shown(), [1]);
    assert.equal(site.notifier.state, "connecting");
});
