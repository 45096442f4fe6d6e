import assert from "node:assert/strict";
import { test } from "node:test";

import { flush } from "../helpers/clock.js";
import { json, never } from "../helpers/server.js";
import { makeLiveSite, makePollingSite, makeSite } from "../helpers/site.js";

const MINUTE_MS = 60_000;

test("nothing happens before start()", async () => {
    const { notifier, server, clock, window, document } = makeSite();
    await clock.advance(10 * MINUTE_MS);
    assert.equal(notifier.state, "stopped");
    assert.equal(notifier.transport, "none");
    assert.equal(server.sockets.length + server.requests.length + window.listeners + document.listeners, 0);
});

test("live means hello, and a sync that began after it", async () => {
    const { notifier, server, clock, states } = makeSite();
    server.greets = false;
    let respond;
    server.answer = () => new Promise((resolve) => (respond = resolve));
    notifier.start();
    await clock.advance(2_000); // the inbox isn't kept waiting by a slow socket
    assert.equal(server.syncs.length, 1);
    server.socket.greet({ user: "7" });
    respond(json(server.inbox)); // began before hello
    await flush();
    assert.equal(notifier.state, "connecting");
    assert.equal(server.syncs.length, 2);
    respond(json(server.inbox));
    await flush();
    assert.equal(notifier.state, "live");
    assert.equal(notifier.transport, "websocket");
    assert.deepEqual(states(), ["connecting", "live"]);
});

test("the socket is opened beside the page, with our subprotocol", async () => {
    const { server } = await makeLiveSite();
    assert.equal(server.socket.url, "wss://lab.example/catmaid/channels/updates/");
    assert.deepEqual(server.socket.protocols, ["catmaid-notify.v1"]);
});

test("an error event of a socket means nothing", async () => {
    const { notifier, server, clock } = await makeLiveSite();
    server.socket.onerror?.({});
    server.socket.dispatchEvent?.(new Event("error"));
    await clock.advance(1_000);
    assert.equal(notifier.state, "live");
    assert.equal(server.sockets.length, 1);
});

for (const [random, delayMs] of [
    [0, 250],
    [0.5, 1_750],
    [0.999, 3_247],
]) {
    test(`a lost socket is opened again after 0.25 s + U[0, 3 s], random ${random}`, async () => {
        const { notifier, server, clock, states } = await makeLiveSite({ random });
        server.socket.drop(1006);
        assert.equal(notifier.state, "waiting");
        await clock.advance(delayMs - 1);
        assert.equal(server.sockets.length, 1);
        await clock.advance(1);
        assert.equal(server.sockets.length, 2);
        await clock.advance(0);
        assert.equal(notifier.state, "live");
        assert.deepEqual(states(), ["connecting", "live", "waiting", "connecting", "live"]);
    });
}

test("the wait doubles, and three failures end in polling", async () => {
    const { notifier, server, clock } = makeSite({ random: 1 });
    server.refuses = true;
    notifier.start();
    await clock.advance(0);
    assert.equal(notifier.state, "waiting");
    await clock.advance(3_250);
    assert.equal(server.sockets.length, 2);
    assert.equal(notifier.state, "waiting");
    await clock.advance(6_249);
    assert.equal(server.sockets.length, 2);
    await clock.advance(1);
    assert.equal(server.sockets.length, 3);
    assert.equal(notifier.state, "polling");
    assert.equal(notifier.transport, "polling");
});

test("only 10 s of life make a socket a good one", async () => {
    const { notifier, server, clock } = await makeLiveSite({ random: 0 });
    for (const expected of ["waiting", "waiting", "polling"]) {
        await clock.advance(9_000);
        server.socket.drop(1000);
        assert.equal(notifier.state, expected);
        await clock.advance(250);
    }
});

test("after 10 s of life failures count from the beginning", async () => {
    const { notifier, server, clock } = await makeLiveSite({ random: 0 });
    for (let round = 0; round < 5; round++) {
        await clock.advance(10_000);
        server.socket.drop(1000);
        assert.equal(notifier.state, "waiting");
        await clock.advance(250);
        assert.equal(notifier.state, "live");
    }
});

test("30 s without live end in polling, whatever the socket is doing", async () => {
    const { notifier, server, clock } = makeSite({ random: 0 });
    server.greets = false; // each attempt takes 10 s + 0.25 s: the third is under way
    notifier.start();
    await clock.advance(29_999);
    assert.equal(notifier.state, "connecting");
    assert.equal(server.sockets.length, 3);
    await clock.advance(1);
    assert.equal(notifier.state, "polling");
    assert.equal(server.openSockets.length, 1); // goes on as a probe
    server.socket.greet({ user: "7" });
    await clock.advance(10_000);
    assert.equal(notifier.state, "live");
});

test("a socket whose page can't sync polls after 30 s, and shows what is pushed", async () => {
    const { notifier, server, clock, shown } = makeSite();
    server.answer = never;
    notifier.start();
    await clock.advance(29_999);
    assert.equal(notifier.state, "connecting");
    server.pushMessage({ id: 5 });
    assert.deepEqual(shown(), [5]);
    await clock.advance(1);
    assert.equal(notifier.state, "polling");
});

test("a page that was live and can't sync any more polls after 30 s, too", async () => {
    const { notifier, server, clock } = await makeLiveSite({ random: 0 });
    await clock.advance(10_000);
    server.answer = never;
    server.socket.drop(1006);
    await clock.advance(29_999);
    assert.equal(notifier.state, "connecting");
    await clock.advance(1);
    assert.equal(notifier.state, "polling");
});

test("a socket that doesn't say hello is given up after 10 s", async () => {
    const { notifier, server, clock } = makeSite();
    server.greets = false;
    notifier.start();
    await clock.advance(9_999);
    assert.equal(notifier.state, "connecting");
    await clock.advance(1);
    assert.equal(notifier.state, "waiting");
    assert.equal(server.openSockets.length, 0);
});

test("a WebSocket that can't even be made is a failed attempt", async () => {
    class Refusing {
        constructor() {
            throw new Error("SecurityError");
        }
    }
    const { notifier, clock } = makeSite({ adapters: { WebSocket: Refusing } });
    notifier.start();
    assert.equal(notifier.state, "connecting");
    await clock.advance(0);
    assert.equal(notifier.state, "waiting");
    await clock.advance(30_000);
    assert.equal(notifier.state, "polling");
});

test("a browser without WebSocket polls from the beginning", async () => {
    const { notifier, server, clock, states, shown } = makeSite({ adapters: { WebSocket: undefined }, random: 0 });
    server.notify({ id: 3 }, { push: false });
    notifier.start();
    await clock.advance(0);
    assert.deepEqual(states(), ["polling"]);
    assert.deepEqual(shown(), [3]);
    await clock.advance(MINUTE_MS);
    assert.equal(server.syncs.length, 2);
});

test("polling asks at once and then every minute, and probing doesn't disturb it", async () => {
    const { server, clock, notifier } = await makePollingSite({ random: 0 });
    const beganAtMs = server.syncs.at(-1).atMs;
    const sockets = server.sockets.length;
    assert.ok(clock.now() - beganAtMs <= 100);
    await clock.advance(5 * MINUTE_MS);
    const starts = server.syncs.map(({ atMs }) => atMs - beganAtMs).filter((sinceMs) => sinceMs >= 0);
    assert.deepEqual(starts, [0, 60_000, 120_000, 180_000, 240_000, 300_000].slice(0, starts.length));
    assert.ok(starts.length >= 5);
    assert.ok(server.sockets.length > sockets + 3);
    assert.equal(notifier.state, "polling");
});

for (const [random, factor] of [
    [0, 0.75],
    [0.5, 1],
    [1, 1.25],
]) {
    test(`sockets are probed after 5, 15, 30, 60, 120 and then every 300 s, times ${factor}`, async () => {
        const { server, clock } = await makePollingSite({ random });
        for (const delayMs of [5_000, 15_000, 30_000, 60_000, 120_000, 300_000, 300_000]) {
            const sockets = server.sockets.length;
            await clock.advance(delayMs * factor - 100);
            assert.equal(server.sockets.length, sockets);
            await clock.advance(100);
            assert.equal(server.sockets.length, sockets + 1);
        }
    });
}

test("a probe that stays up for 10 s brings the page back to live", async () => {
    const { notifier, server, clock, states } = await makePollingSite();
    server.refuses = false;
    await clock.advance(5_000);
    assert.equal(server.openSockets.length, 1);
    await clock.advance(5_000);
    await notifier.sync(); // doesn't make it take longer
    await clock.advance(4_800);
    assert.equal(notifier.state, "polling");
    await clock.advance(200);
    assert.equal(notifier.state, "live");
    assert.deepEqual(states().slice(-2), ["polling", "live"]);
});

test("a probe that is closed within 10 s leaves the page polling", async () => {
    const { notifier, server, clock } = await makePollingSite();
    server.refuses = false;
    await clock.advance(5_000);
    await clock.advance(5_000);
    server.socket.drop(1000);
    server.refuses = true;
    await clock.advance(5_000);
    assert.equal(notifier.state, "polling");
    const sockets = server.sockets.length;
    await clock.advance(26_000);
    assert.equal(server.sockets.length, sockets + 1); // 15 s after the last one: probing goes on
});

test("messages pushed on a probe are shown before the page is live again", async () => {
    const { notifier, server, clock, shown } = await makePollingSite();
    server.refuses = false;
    await clock.advance(5_000);
    server.notify({ id: 9 });
    assert.deepEqual(shown(), [9]);
    assert.equal(notifier.state, "polling");
});

test("a silent socket is probed after ping + 9.5 s, and dropped 5 s later", async () => {
    const { notifier, server, clock } = await makeLiveSite();
    await clock.advance(34_499);
    assert.equal(server.socket.got("ping").length, 0);
    await clock.advance(1);
    assert.equal(server.socket.got("ping").length, 1);
    await clock.advance(4_999);
    assert.equal(notifier.state, "live");
    const syncs = server.syncs.length;
    await clock.advance(1);
    assert.equal(notifier.state, "waiting");
    assert.equal(server.openSockets.length, 0);
    assert.equal(server.syncs.length, syncs + 1); // at once, since what was sent in the meantime has not arrived
});

test("any frame is a sign of life, and the server's pings are answered", async () => {
    const { notifier, server, clock } = await makeLiveSite();
    for (let round = 0; round < 6; round++) {
        await clock.advance(25_000);
        server.socket.push({ event: "ping", payload: { nonce: `s${round}` } });
    }
    assert.equal(notifier.state, "live");
    assert.deepEqual(server.socket.got("pong").at(-1), { event: "pong", payload: { nonce: "s5" } });
    await clock.advance(36_000);
    server.socket.push({ event: "pong", payload: server.socket.got("ping").at(-1).payload });
    await clock.advance(30_000);
    assert.equal(notifier.state, "live");
    assert.equal(server.socket.got("ping").length, 1);
});

test("hello says how often the server pings", async () => {
    const site = makeSite();
    site.server.hello = { ping_ms: 2_000 };
    site.notifier.start();
    await site.clock.advance(12_000);
    assert.equal(site.server.socket.got("ping").length, 1);
});

test("hello says how often to poll and to sync", async () => {
    const site = makeSite({ random: 0 });
    site.server.hello = { poll_ms: 5_000, sync_ms: 20_000 };
    site.notifier.start();
    await site.clock.advance(0);
    await site.clock.advance(20_000);
    assert.equal(site.server.syncs.length, 2);
    site.server.refuses = true;
    site.server.socket.drop(1006);
    await site.clock.advance(60_000);
    assert.equal(site.notifier.state, "polling");
    const before = site.server.syncs.length;
    await site.clock.advance(10_000);
    assert.equal(site.server.syncs.length, before + 2);
});

test("hello of a socket that doesn't last says how often to poll, too", async () => {
    const { server, clock } = await makePollingSite({ random: 0 });
    server.refuses = false;
    server.hello = { poll_ms: 5_000 };
    await clock.advance(5_000);
    server.socket.drop(1006);
    server.refuses = true;
    const { length } = server.syncs;
    await clock.advance(10_000);
    assert.equal(server.syncs.length, length + 2);
});

test("a live page syncs every 10 min only", async () => {
    const { server, clock } = await makeLiveSite({ random: 0 });
    const keepAlive = async (forMs) => {
        for (let passedMs = 0; passedMs < forMs; passedMs += 20_000) {
            await clock.advance(20_000);
            server.socket.push({ event: "ping", payload: {} });
        }
    };
    await keepAlive(580_000);
    assert.equal(server.syncs.length, 1);
    await keepAlive(40_000);
    assert.equal(server.syncs.length, 2);
});

test("a page that loses its socket doesn't ask at once: everybody else loses theirs, too", async () => {
    const { server, clock, notifier } = await makeLiveSite();
    for (let passedMs = 0; passedMs < 5 * MINUTE_MS; passedMs += 30_000) {
        await clock.advance(30_000);
        server.socket.push({ event: "ping", payload: {} });
    }
    server.greets = false;
    server.socket.drop(1006);
    await clock.advance(9_000);
    assert.equal(notifier.state, "connecting");
    assert.equal(server.syncs.length, 1);
});

// Close codes

test("4401 signs out: nothing goes on, start() begins again", async () => {
    const { notifier, server, clock } = await makeLiveSite();
    server.socket.drop(4401);
    assert.equal(notifier.state, "signedout");
    assert.equal(notifier.transport, "none");
    assert.equal(notifier.closeCode, 4401);
    await clock.advance(10 * MINUTE_MS);
    assert.equal(server.sockets.length, 1);
    assert.equal(server.syncs.length, 1);
    assert.equal(clock.armed, 0);
    notifier.start();
    await clock.advance(0);
    assert.equal(notifier.state, "live");
});

for (const code of [1000, 1001, 1006, 1011, 4408, 4503, 4999]) {
    test(`${code} reconnects with back-off, and polls after three`, async () => {
        const { notifier, server, clock } = await makeLiveSite({ random: 0 });
        for (const expected of ["waiting", "waiting", "polling"]) {
            server.socket.drop(code);
            assert.equal(notifier.state, expected);
            await clock.advance(250);
        }
    });
}

for (const [code, delayMs] of [
    [4409, 300_000],
    [4412, 300_000],
    [4429, 60_000],
]) {
    test(`${code} polls, and tries again after ${delayMs / 1000} s`, async () => {
        const { notifier, server, clock, window } = await makeLiveSite();
        server.socket.drop(code);
        assert.equal(notifier.state, "polling");
        assert.equal(notifier.closeCode, code);
        await clock.advance(1_000);
        window.fire("online"); // doesn't shorten what the server asked for
        await clock.advance(delayMs - 1_001);
        assert.equal(server.sockets.length, 1);
        await clock.advance(1);
        assert.equal(server.sockets.length, 2);
        server.socket.drop(code);
        await clock.advance(delayMs - 1);
        assert.equal(server.sockets.length, 2);
    });
}

test("4412 is said", async () => {
    const { server, details } = await makeLiveSite();
    server.socket.drop(4412);
    assert.deepEqual(
        details("error").map(({ kind, code }) => [kind, code]),
        [["socket", 4412]],
    );
});

test("4410 drops everything of the former user and connects for the new one", async () => {
    const { notifier, server, clock, details, shown } = await makeLiveSite();
    server.notify({ id: 1 });
    server.socket.push({ event: "task-progress", payload: { id: "t", state: "running", updated: "2026-01-01T00:00:00Z" } });
    server.inbox = { user: "8", count: 1, more: false, messages: [], tasks: [] };
    server.inbox.count = 0;
    server.notify({ id: 2 }, { push: false });
    server.socket.drop(4410);
    assert.deepEqual(notifier.unread, { count: 0, more: false, messages: [] });
    assert.deepEqual(notifier.tasks, []);
    await clock.advance(2_000);
    assert.equal(notifier.state, "live");
    assert.equal(notifier.user, "8");
    assert.deepEqual(details("user"), [
        { user: "", previous: "7" },
        { user: "8", previous: "" },
    ]);
    assert.deepEqual(shown(), [1, 2]);
    assert.deepEqual(
        notifier.unread.messages.map(({ id }) => id),
        [2],
    );
});

// The page

for (const [target, sleep, wake, sleepMs] of [
    ["window", "pagehide", "pageshow", 5_000],
    ["window", "pagehide", "pageshow", 30 * MINUTE_MS],
    ["document", "freeze", "resume", 30 * MINUTE_MS],
]) {
    test(`${sleep} closes the socket, ${wake} after ${sleepMs / 1000} s connects and syncs`, async () => {
        const site = await makeLiveSite();
        const { notifier, server, clock } = site;
        site[target].fire(sleep);
        assert.equal(notifier.state, "suspended");
        assert.equal(notifier.transport, "none");
        assert.equal(server.openSockets.length, 0);
        assert.equal(clock.armed, 0);
        await clock.advance(sleepMs);
        assert.equal(server.requests.length, 1);
        server.greets = false;
        site[target].fire(wake, { persisted: true });
        await clock.advance(0);
        assert.equal(notifier.state, "connecting");
        assert.equal(server.syncs.length, 2);
        server.socket.greet({ user: "7" });
        await clock.advance(0);
        assert.equal(notifier.state, "live");
    });
}

test("a page that is shown for the first time is not resumed", async () => {
    const { notifier, server, window } = makeSite();
    window.fire("pageshow", { persisted: false });
    notifier.start();
    window.fire("pageshow", { persisted: false });
    assert.equal(server.sockets.length, 1);
});

test("neither waking nor showing brings a stopped page back", async () => {
    const { notifier, server, clock, window, document } = await makeLiveSite();
    notifier.stop();
    window.fire("pagehide");
    window.fire("pageshow", { persisted: true });
    document.fire("resume");
    window.fire("online");
    await clock.advance(MINUTE_MS);
    assert.equal(notifier.state, "stopped");
    assert.equal(server.sockets.length, 1);
});

test("neither waking nor showing signs anybody in", async () => {
    const { notifier, server, clock, window, document } = await makeLiveSite();
    server.socket.drop(4401);
    window.fire("pageshow", { persisted: true });
    document.fire("resume");
    document.fire("visibilitychange");
    window.fire("online");
    await clock.advance(MINUTE_MS);
    assert.equal(notifier.state, "signedout");
    assert.equal(server.sockets.length, 1);
});

test("a signed-out page that comes back from the back/forward cache tries again: the login page may have been in between", async () => {
    const { notifier, server, clock, window } = await makeLiveSite();
    server.socket.drop(4401);
    window.fire("pagehide");
    await clock.advance(MINUTE_MS);
    assert.equal(server.sockets.length, 1);
    window.fire("pageshow", { persisted: true });
    await clock.advance(0);
    assert.equal(notifier.state, "live");
});

test("online: after up to 1 s a waiting page connects, and asks", async () => {
    const { notifier, server, clock, window } = await makePollingSite({ random: 0.999 });
    await clock.advance(30_000);
    server.refuses = false;
    server.greets = false;
    const { length: sockets } = server.sockets;
    const { length: syncs } = server.syncs;
    window.fire("online");
    window.fire("online");
    await clock.advance(998);
    assert.equal(server.sockets.length, sockets);
    await clock.advance(1);
    assert.equal(server.sockets.length, sockets + 1);
    assert.equal(server.syncs.length, syncs + 1);
    server.socket.greet({ user: "7" });
    await clock.advance(10_000);
    assert.equal(notifier.state, "live");
});

test("online: an open socket is probed, for it may be dead", async () => {
    const { notifier, server, clock, window } = await makeLiveSite({ random: 0 });
    window.fire("online");
    await clock.advance(0);
    assert.equal(server.socket.got("ping").length, 1);
    await clock.advance(4_999);
    assert.equal(notifier.state, "live");
    await clock.advance(1);
    assert.equal(notifier.state, "waiting");
});

test("a page that is looked at again tries at once, unless it is live or connecting", async () => {
    const connecting = makeSite({ random: 0 });
    connecting.server.greets = false;
    connecting.notifier.start();
    connecting.document.fire("visibilitychange");
    await connecting.clock.advance(1_000);
    assert.equal(connecting.server.requests.length, 0);
    const live = await makeLiveSite({ random: 0 });
    live.document.fire("visibilitychange");
    await live.clock.advance(1_000);
    assert.equal(live.server.requests.length, 1);
    const polling = await makePollingSite({ random: 0 });
    const { length: sockets } = polling.server.sockets;
    polling.document.hidden = true;
    polling.document.fire("visibilitychange");
    await polling.clock.advance(1_000);
    assert.equal(polling.server.sockets.length, sockets);
    polling.document.hidden = false;
    polling.document.fire("visibilitychange");
    await polling.clock.advance(0);
    assert.equal(polling.server.sockets.length, sockets + 1);
});

// Invariants

test("callbacks of an older socket are ignored", async () => {
    const { notifier, server, clock, shown } = await makeLiveSite({ random: 0 });
    const old = server.socket;
    const { onmessage, onclose } = old;
    await clock.advance(40_250); // silent: dropped by us, and a new one is there
    assert.ok(server.socket !== old);
    assert.equal(notifier.state, "live");
    onmessage({ data: JSON.stringify({ event: "new-message", payload: { message: { id: 1, title: "x" } } }) });
    onmessage({ data: JSON.stringify({ event: "hello", payload: { user: "8" } }) });
    onclose({ code: 4401 });
    await clock.advance(0);
    assert.equal(notifier.state, "live");
    assert.deepEqual(shown(), []);
    assert.equal(notifier.user, "7");
});

test("the answer to a request of before is ignored", async () => {
    const { notifier, server, clock, shown } = await makeLiveSite();
    let respond;
    server.answer = () => new Promise((resolve) => (respond = resolve));
    void notifier.sync();
    await flush();
    const late = respond;
    notifier.stop();
    server.answer = () => null;
    notifier.start();
    await clock.advance(0);
    late(json({ ...server.inbox, count: 1, messages: [{ id: 77, title: "late" }] }));
    await clock.advance(0);
    assert.deepEqual(shown(), []);
    assert.equal(notifier.state, "live");
});

test("start() twice is start() once", async () => {
    const { notifier, server, clock, window } = makeSite();
    notifier.start();
    const { listeners } = window;
    notifier.start();
    await clock.advance(0);
    notifier.start();
    await clock.advance(MINUTE_MS / 4);
    assert.equal(server.sockets.length, 1);
    assert.equal(server.syncs.length, 1);
    assert.equal(window.listeners, listeners);
});

for (const when of ["connecting", "live", "waiting", "polling", "suspended", "signedout"]) {
    test(`stop() leaves no socket, timer, listener or request: ${when}`, async () => {
        const { notifier, server, clock, window, document } = makeSite();
        server.greets = when !== "connecting";
        server.refuses = when === "waiting" || when === "polling";
        notifier.start();
        await clock.advance(when === "polling" ? 30_000 : 0);
        if (when === "suspended") {
            window.fire("pagehide");
        } else if (when === "signedout") {
            server.socket.drop(4401);
        }
        assert.equal(notifier.state, when);
        server.answer = never;
        void notifier.sync();
        void notifier.markRead([1]);
        window.fire("online");
        await flush();
        notifier.stop();
        await flush();
        assert.equal(notifier.state, "stopped");
        assert.equal(server.openSockets.length, 0);
        assert.equal(server.openRequests.length, 0);
        assert.equal(clock.armed, 0);
        assert.equal(window.listeners + document.listeners, 0);
    });
}

for (const type of ["state", "message", "unread", "sync", "user", "error"]) {
    test(`a listener of ${type} may stop the notifier`, async () => {
        const { notifier, server, clock } = makeSite({ user: "" });
        notifier.on(type, () => notifier.stop());
        server.notify({ id: 1 }, { push: false });
        if (type === "error") {
            server.answer = () => new Response("", { status: 500 });
        }
        notifier.start();
        await clock.advance(MINUTE_MS);
        assert.equal(notifier.state, "stopped");
        assert.equal(server.openSockets.length, 0);
        assert.equal(server.openRequests.length, 0);
        assert.equal(clock.armed, 0);
    });
}

/** A small generator of numbers in [0, 1) that repeats itself for the same seed. */
function seeded(seed) {
    let state = seed;
    return () => {
        state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
        return state / 2 ** 31;
    };
}

for (let seed = 1; seed <= 20; seed++) {
    test(`whatever happens: one socket, one request, and never more than a minute without asking (${seed})`, async () => {
        const random = seeded(seed);
        const { notifier, server, clock, window, document } = makeSite({ random });
        const pick = (...choices) => choices[Math.floor(random() * choices.length)];
        let resolveLate = null;
        server.answer = (request) => {
            if (request.method === "GET" && random() < 0.2) {
                return new Promise((resolve) => (resolveLate = () => resolve(null)));
            }
            return null;
        };
        const happenings = [
            () => server.socket.drop(pick(1000, 1006, 4408, 4409, 4410, 4412, 4429, 4503)),
            () => (server.refuses = !server.refuses),
            () => (server.greets = !server.greets),
            () => window.fire("online"),
            () => window.fire("pagehide"),
            () => window.fire("pageshow", { persisted: true }),
            () => document.fire("freeze"),
            () => document.fire("resume"),
            () => document.fire("visibilitychange"),
            () => void notifier.sync(),
            () => void notifier.markRead({ all: true }),
            () => server.notify({ id: Math.floor(random() * 1e6) + 1 }, { push: false }),
            () => server.socket.push({ event: "message-read", payload: { all: true } }),
            () => server.socket.push({ event: "ping", payload: {} }),
            () => (server.inbox.user = pick("7", "7", "8")),
            () => resolveLate?.(),
            () => notifier.stop(),
            () => notifier.start(),
        ];
        const needsPolls = () => ["connecting", "waiting", "polling"].includes(notifier.state);
        let failures = 0;
        notifier.on("sync", ({ ok }) => (failures = ok ? 0 : failures + 1));
        notifier.start();
        let dutyFromMs = clock.now();
        for (let step = 0; step < 400; step++) {
            if (random() < 0.6) {
                pick(...happenings)();
            }
            for (let part = 0, parts = Math.floor(random() * 10); part < parts; part++) {
                await clock.advance(random() * 4_000);
                assert.ok(server.openSockets.length <= 1, "more than one socket");
                assert.ok(server.openRequests.filter(({ method }) => method === "GET").length <= 1, "more than one request");
                if (!needsPolls()) {
                    dutyFromMs = clock.now();
                }
                const lastMs = Math.max(dutyFromMs, server.syncs.at(-1)?.atMs ?? 0);
                const allowedMs = Math.min(5, 2 ** Math.max(0, failures - 1)) * MINUTE_MS;
                assert.ok(clock.now() - lastMs <= allowedMs + 4_000, `nothing asked for ${clock.now() - lastMs} ms`);
            }
        }
        notifier.stop();
        await flush();
        assert.equal(clock.armed + server.openSockets.length + server.openRequests.length, 0);
    });
}
