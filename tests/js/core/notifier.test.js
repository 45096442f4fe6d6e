import assert from "node:assert/strict";
import { test } from "node:test";

import { createNotifier } from "../../../catmaid_notify/static/catmaid_notify/index.js";
import { flush } from "../helpers/clock.js";
import { json, status } from "../helpers/server.js";
import { makeLiveSite, makePollingSite, makeSite } from "../helpers/site.js";

const MINUTE_MS = 60_000;
const ids = (messages) => messages.map(({ id }) => id);

test("loading the modules does nothing, and needs no browser", () => {
    assert.equal(typeof createNotifier, "function");
    assert.equal(globalThis.catmaidNotify, undefined);
});

// Each message once

test("a message that is pushed and synced is shown once", async () => {
    const { notifier, server, shown, clock } = await makeLiveSite();
    server.notify({ id: 1 });
    server.pushMessage({ id: 1 });
    await notifier.sync();
    server.socket.drop(1006);
    await clock.advance(5_000);
    assert.deepEqual(shown(), [1]);
    assert.equal(notifier.unread.count, 1);
});

test("a message that is synced and pushed is shown once", async () => {
    const { notifier, server, shown } = await makeLiveSite();
    server.notify({ id: 1 }, { push: false });
    await notifier.sync();
    server.pushMessage({ id: 1 });
    assert.deepEqual(shown(), [1]);
    assert.equal(notifier.unread.count, 1);
});

test("a message is shown once although it was read in between", async () => {
    const { notifier, server, shown } = await makeLiveSite();
    server.notify({ id: 1 });
    await notifier.markRead(1);
    server.pushMessage({ id: 1 });
    assert.deepEqual(shown(), [1]);
    assert.equal(notifier.unread.count, 0);
});

test("what waited when the page was loaded is backlog, what comes later is not", async () => {
    const site = makeSite();
    site.server.notify({ id: 1 }, { push: false });
    site.notifier.start();
    await site.clock.advance(0);
    site.server.notify({ id: 2 });
    site.server.notify({ id: 3 }, { push: false });
    await site.notifier.sync();
    assert.deepEqual(
        site.details("message").map(({ message, backlog, via }) => [message.id, backlog, via]),
        [
            [1, true, "sync"],
            [2, false, "push"],
            [3, false, "sync"],
        ],
    );
});

test("messages that were missed while the page was away are news", async () => {
    const { server, clock, window, details } = await makeLiveSite();
    window.fire("pagehide");
    server.notify({ id: 8 }, { push: false });
    window.fire("pageshow", { persisted: true });
    await clock.advance(0);
    assert.deepEqual(
        details("message").map(({ message, backlog }) => [message.id, backlog]),
        [[8, false]],
    );
});

test("read messages are never shown as new", async () => {
    const { server, notifier, shown } = await makeLiveSite();
    server.pushMessage({ id: 1, read: true });
    server.inbox.messages = [{ id: 2, title: "x", read: true }];
    await notifier.sync();
    server.socket.push({ event: "message-read", payload: { ids: [3] } });
    server.pushMessage({ id: 3 });
    assert.deepEqual(shown(), []);
    assert.equal(notifier.unread.count, 0);
});

test("an id that is older than one already shown is shown all the same", async () => {
    const { server, shown } = await makeLiveSite();
    server.notify({ id: 6 });
    server.notify({ id: 5 }); // its transaction was open for longer
    assert.deepEqual(shown(), [6, 5]);
});

test("messages of one sync come oldest first, so that the newest is on top", async () => {
    const { server, notifier, shown } = await makeLiveSite();
    for (const id of [1, 2, 3]) {
        server.notify({ id }, { push: false });
    }
    await notifier.sync();
    assert.deepEqual(shown(), [1, 2, 3]);
    assert.deepEqual(ids(notifier.unread.messages), [3, 2, 1]);
});

test("of more than 100 new ones the newest 100 are shown, the rest is only counted", async () => {
    const { server, notifier, shown } = await makeLiveSite();
    server.inbox.messages = Array.from({ length: 150 }, (_, index) => ({ id: 150 - index, title: "x" }));
    server.inbox.count = 150;
    await notifier.sync();
    assert.equal(shown().length, 100);
    assert.equal(Math.min(...shown()), 51);
    assert.equal(notifier.unread.count, 150);
    assert.equal(notifier.unread.messages.length, 100);
    await notifier.sync();
    assert.equal(shown().length, 100);
});

test("older messages that move up when newer ones are read are backlog", async () => {
    const { server, notifier, details } = await makeLiveSite();
    const all = Array.from({ length: 150 }, (_, index) => ({ id: 150 - index, title: "x" }));
    Object.assign(server.inbox, { messages: all.slice(0, 100), count: 150 });
    await notifier.sync();
    Object.assign(server.inbox, { messages: all.slice(100), count: 50 });
    await notifier.sync();
    const later = details("message").slice(100);
    assert.equal(later.length, 50);
    assert.ok(later.every(({ backlog }) => backlog));
    assert.equal(notifier.unread.count, 50);
});

test("a hundred pushes and more keep the page's memory small and the count right", async () => {
    const { server, notifier, shown } = await makeLiveSite();
    for (let id = 1; id <= 250; id++) {
        server.pushMessage({ id });
    }
    assert.equal(shown().length, 250);
    assert.equal(notifier.unread.count, 250);
    assert.equal(notifier.unread.messages.length, 100);
});

test("a message that was shown and is kept no more is read: the count follows", async () => {
    const { server, clock, notifier } = await makeLiveSite();
    for (let id = 1; id <= 150; id++) {
        server.pushMessage({ id });
    }
    server.inbox.messages = Array.from({ length: 150 }, (_, index) => ({ id: 150 - index, title: "x" }));
    await notifier.markRead([1]);
    await clock.advance(0);
    assert.equal(notifier.unread.count, 149);
});

test("a push without a message makes the page ask", async () => {
    const { server, clock, shown } = await makeLiveSite();
    server.notify({ id: 4 }, { push: false });
    server.socket.push({ event: "new-message", payload: { message_id: 4, message_title: "a &lt; b" } });
    await clock.advance(0);
    assert.deepEqual(shown(), [4]);
});

test("nonsense from the network stops nobody", async () => {
    const { server, notifier, shown } = await makeLiveSite();
    for (const frame of [
        "",
        "nonsense",
        "null",
        "[]",
        "{}",
        '{"event":5}',
        '{"event":"new-message"}',
        '{"event":"message-read"}',
        '{"event":"task-progress"}',
        '{"event":"ping"}',
        '{"event":"refused"}',
        '{"event":"hello"}',
    ]) {
        server.socket.push(frame);
    }
    server.pushMessage({ id: "12" });
    server.pushMessage({ id: 1, title: 5, text: null, level: "loud", action: {} });
    assert.deepEqual(shown(), [1]);
    const [message] = notifier.unread.messages;
    assert.deepEqual([message.title, message.text, message.level, message.action], ["", "", "info", ""]);
    assert.equal(notifier.state, "live");
});

// Events during a pending request

async function duringSync(site, between) {
    let respond;
    const before = JSON.parse(JSON.stringify(site.server.inbox));
    site.server.answer = () => new Promise((resolve) => (respond = () => resolve(json(before))));
    const asked = site.notifier.sync();
    await flush();
    site.server.answer = () => null;
    await between();
    respond();
    await asked;
    await flush();
}

test("a message pushed during a request that doesn't know it yet stays", async () => {
    const site = await makeLiveSite();
    await duringSync(site, () => site.server.notify({ id: 5 }));
    assert.deepEqual(ids(site.notifier.unread.messages), [5]);
    assert.equal(site.notifier.unread.count, 1);
    assert.deepEqual(site.details("read"), []);
});

test("a message read elsewhere during a request doesn't come back", async () => {
    const site = await makeLiveSite();
    site.server.notify({ id: 5 });
    const counts = [];
    site.notifier.on("unread", ({ count }) => counts.push(count));
    await duringSync(site, () => {
        site.server.markRead(5);
        site.server.socket.push({ event: "message-read", payload: { ids: [5], count: 0 } });
    });
    assert.deepEqual([...new Set(counts)], [0]);
});

test("a message marked here during a request doesn't come back", async () => {
    const site = await makeLiveSite();
    site.server.notify({ id: 5 });
    const counts = [];
    await duringSync(site, async () => {
        await site.notifier.markRead(5);
        site.notifier.on("unread", ({ count }) => counts.push(count));
    });
    await flush();
    assert.equal(site.notifier.unread.count, 0);
    assert.deepEqual([...new Set(counts)], [0]);
});

test("a request that begins before the server took a read doesn't bring the message back", async () => {
    const site = await makeLiveSite();
    site.server.notify({ id: 5 });
    let accept;
    site.server.answer = ({ method }) => (method === "POST" ? new Promise((resolve) => (accept = () => resolve(null))) : null);
    const done = site.notifier.markRead(5);
    await site.notifier.sync();
    assert.equal(site.notifier.unread.count, 1); // so says the server
    accept();
    await done;
    const counts = [site.notifier.unread.count];
    site.notifier.on("unread", ({ count }) => counts.push(count));
    await site.notifier.sync();
    assert.deepEqual([...new Set(counts)], [0]);
});

test("a task pushed during a request that doesn't know it yet stays", async () => {
    const site = await makeLiveSite();
    await duringSync(site, () => site.server.socket.push({ event: "task-progress", payload: task() }));
    assert.equal(site.notifier.tasks.length, 1);
});

// Reading

test("markRead is shown when the server took it, and sent with the CSRF token of the cookie", async () => {
    const site = await makeLiveSite({ csrfToken: "of the page" });
    site.document.cookie = "a=b; csrftoken=ofTheCookie; c=d";
    site.server.notify({ id: 5 });
    site.server.notify({ id: 6 });
    assert.equal(await site.notifier.markRead([5]), true);
    assert.deepEqual(ids(site.notifier.unread.messages), [6]);
    assert.equal(site.notifier.unread.count, 1);
    assert.deepEqual(site.details("read"), [{ all: false, ids: [5] }]);
    const [request] = site.server.reads;
    assert.equal(request.url, "/catmaid/notify/read");
    assert.deepEqual(request.body, { ids: [5] });
    assert.equal(request.headers["X-CSRFToken"], "ofTheCookie");
    assert.equal(request.headers["Content-Type"], "application/json");
    assert.equal(request.init.keepalive, true);
    assert.equal(site.server.syncs.length, 1);
});

test("another name of the cookie, and the token of the page where there is none", async () => {
    const named = await makeLiveSite({ csrfCookie: "labtoken" });
    named.document.cookie = "csrftoken=wrong; labtoken=right=";
    await named.notifier.markRead(1);
    assert.equal(named.server.reads[0].headers["X-CSRFToken"], "right=");
    const session = await makeLiveSite({ csrfToken: "of the page" });
    await session.notifier.markRead(1);
    assert.equal(session.server.reads[0].headers["X-CSRFToken"], "of the page");
});

test("markRead({all: true})", async () => {
    const { server, notifier, details } = await makeLiveSite();
    server.notify({ id: 5 });
    server.notify({ id: 6 });
    assert.equal(await notifier.markRead({ all: true }), true);
    assert.deepEqual(notifier.unread, { count: 0, more: false, messages: [] });
    assert.deepEqual(server.reads[0].body, { all: true });
    assert.deepEqual(details("read"), [{ all: true, ids: [5, 6] }]);
});

test("markRead of nothing asks nobody", async () => {
    const { server, notifier } = await makeLiveSite();
    assert.equal(await notifier.markRead([]), true);
    assert.equal(await notifier.markRead(["5", null, NaN]), true);
    assert.equal(server.reads.length, 0);
});

for (const [name, answer] of [
    ["status 500", () => status(500)],
    ["status 403, a stale CSRF token", () => status(403)],
    ["no network", () => Promise.reject(new TypeError("Failed to fetch"))],
    ["no answer for 15 s", () => new Promise(() => {})],
]) {
    for (const what of [[5], { all: true }]) {
        test(`a read that fails changes nothing: ${name}, ${JSON.stringify(what)}`, async () => {
            const { server, notifier, clock, details, shown } = await makeLiveSite();
            server.notify({ id: 5 });
            server.notify({ id: 6 });
            server.answer = (request) => (request.method === "POST" ? answer() : null);
            const done = notifier.markRead(what);
            await clock.advance(15_000);
            assert.equal(await done, false);
            assert.deepEqual(ids(notifier.unread.messages), [6, 5]);
            assert.equal(notifier.unread.count, 2);
            assert.equal(details("error").at(-1).kind, "read");
            assert.deepEqual(shown(), [5, 6]); // unread again, not new again
            await flush();
            assert.equal(server.syncs.length, 2); // and the inbox is asked how it really is
        });
    }
}

test("a read that fails changes nothing although the inbox can't be asked either", async () => {
    const { server, notifier } = await makeLiveSite();
    server.notify({ id: 5 });
    server.answer = () => Promise.reject(new TypeError("Failed to fetch"));
    assert.equal(await notifier.markRead(5), false);
    assert.deepEqual(ids(notifier.unread.messages), [5]);
    assert.equal(notifier.unread.count, 1);
});

test("markRead with 401 signs out", async () => {
    const { server, notifier } = await makeLiveSite();
    server.answer = (request) => (request.method === "POST" ? status(401) : null);
    assert.equal(await notifier.markRead(1), false);
    assert.equal(notifier.state, "signedout");
});

test("a read that was under way for the former user changes nothing for the next one", async () => {
    const { server, notifier, clock } = await makeLiveSite();
    server.notify({ id: 5 });
    let refuse;
    server.answer = (request) =>
        request.method === "POST" ? new Promise((resolve) => (refuse = () => resolve(status(403)))) : null;
    const done = notifier.markRead(5);
    server.inbox = { user: "8", count: 0, more: false, messages: [], tasks: [] };
    server.socket.drop(4410);
    await clock.advance(5_000);
    refuse();
    await done;
    assert.equal(notifier.user, "8");
    assert.deepEqual(notifier.unread.messages, []);
});

test("what the former user had marked is not read for the next one", async () => {
    const { server, notifier, clock } = await makeLiveSite();
    let accept;
    server.answer = ({ method }) => (method === "POST" ? new Promise((resolve) => (accept = () => resolve(json({})))) : null);
    const done = notifier.markRead({ all: true });
    server.inbox = { user: "8", count: 0, more: false, messages: [], tasks: [] };
    server.notify({ id: 6 }, { push: false });
    server.socket.drop(4410);
    await clock.advance(5_000);
    accept();
    await done;
    assert.deepEqual(ids(notifier.unread.messages), [6]);
});

test("read elsewhere", async () => {
    const { server, notifier, details, clock } = await makeLiveSite();
    for (const id of [1, 2, 3]) {
        server.notify({ id });
    }
    server.markRead(1);
    server.socket.push({ event: "message-read", payload: { ids: [1] } });
    assert.equal(notifier.unread.count, 2);
    server.markRead(2);
    server.socket.push({ event: "message-read", payload: { ids: [2] } });
    assert.equal(notifier.unread.count, 1);
    await clock.advance(0);
    assert.equal(server.syncs.length, 1);
    assert.deepEqual(
        details("read").map((detail) => detail.ids),
        [[1], [2]],
    );
});

test("a message read elsewhere that this page has not heard of makes it ask", async () => {
    const { server, notifier, clock } = await makeLiveSite();
    server.notify({ id: 1 });
    server.notify({ id: 2 }, { push: false }); // whose push was lost
    server.notify({ id: 3 }, { push: false });
    server.markRead(2);
    server.socket.push({ event: "message-read", payload: { ids: [2] } });
    await clock.advance(0);
    assert.deepEqual(ids(notifier.unread.messages), [3, 1]);
});

test("everything read elsewhere", async () => {
    const { server, notifier, clock, details } = await makeLiveSite();
    server.notify({ id: 1 });
    server.notify({ id: 2 });
    server.markRead(1, 2);
    server.socket.push({ event: "message-read", payload: { all: true } });
    assert.deepEqual(notifier.unread, { count: 0, more: false, messages: [] });
    assert.deepEqual(details("read"), [{ all: true, ids: [1, 2] }]);
    await clock.advance(0);
    assert.equal(notifier.unread.count, 0);
});

test("read elsewhere while there was no socket", async () => {
    const { server, notifier, clock, details } = await makePollingSite({ random: 0 });
    server.notify({ id: 1 }, { push: false });
    await clock.advance(MINUTE_MS);
    assert.equal(notifier.unread.count, 1);
    server.markRead(1);
    await clock.advance(MINUTE_MS);
    assert.equal(notifier.unread.count, 0);
    assert.deepEqual(details("read"), [{ all: false, ids: [1] }]);
});

// Another user

test("hello of another user: start anew, on a socket that no tab of the former user shares", async () => {
    const { server, notifier, clock, shown, details } = await makeLiveSite();
    server.notify({ id: 1 });
    server.inbox = { user: "8", count: 0, more: false, messages: [], tasks: [] };
    server.notify({ id: 2 }, { push: false });
    server.socket.drop(1006);
    await clock.advance(10_000);
    assert.equal(notifier.state, "live");
    assert.equal(notifier.user, "8");
    assert.equal(server.openSockets.length, 1);
    assert.deepEqual(ids(notifier.unread.messages), [2]);
    assert.deepEqual(shown(), [1, 2]);
    assert.deepEqual(details("user"), [{ user: "8", previous: "7" }]);
    assert.equal(server.syncs.at(-1).headers["If-None-Match"], undefined);
});

test("unread set of another user: start anew, on another socket", async () => {
    const { server, notifier, clock, details } = await makeLiveSite();
    server.notify({ id: 1 });
    server.inbox = { user: "8", count: 0, more: false, messages: [], tasks: [] };
    server.notify({ id: 2 }, { push: false });
    await notifier.sync();
    assert.deepEqual(ids(notifier.unread.messages), [2]);
    assert.equal(server.openSockets.length, 0);
    await clock.advance(2_000);
    assert.equal(notifier.state, "live");
    assert.equal(server.openSockets.length, 1);
    assert.deepEqual(details("user"), [{ user: "8", previous: "7" }]);
});

test("an answer for the former user that comes after hello of the next one is dropped", async () => {
    const { server, notifier, clock, shown } = await makePollingSite();
    let respond;
    server.answer = () => new Promise((resolve) => (respond = resolve));
    void notifier.sync();
    await flush();
    const late = respond;
    server.answer = () => null;
    server.inbox = { user: "8", count: 0, more: false, messages: [], tasks: [] };
    server.refuses = false;
    await clock.advance(5_000);
    late(json({ user: "7", count: 1, messages: [{ id: 1, title: "private" }], tasks: [] }));
    await clock.advance(0);
    assert.equal(notifier.user, "8");
    assert.deepEqual(shown(), []);
});

test("servers that don't agree on the user are not asked in a loop", async () => {
    const { server, clock } = await makeLiveSite();
    server.inbox.user = "8";
    server.hello = { user: "9" };
    server.socket.drop(1006);
    await clock.advance(5 * MINUTE_MS);
    assert.ok(server.sockets.length < 15, `${server.sockets.length} sockets`);
    assert.ok(server.syncs.length < 40, `${server.syncs.length} requests`);
});

test("without a user of the page the server says who it is", async () => {
    const site = makeSite({ user: undefined });
    site.notifier.start();
    await site.clock.advance(0);
    assert.equal(site.notifier.user, "7");
    assert.deepEqual(site.details("user"), [{ user: "7", previous: "" }]);
});

// Tasks

const task = (fields = {}) => ({
    id: "t1",
    title: "Crop",
    state: "running",
    done: 1,
    total: 64,
    text: "",
    updated: "2026-11-21T03:42:00.100000Z",
    ...fields,
});

test("progress: each state once, the latest wins, the end ends it", async () => {
    const { server, notifier, details } = await makeLiveSite();
    const push = (fields) => server.socket.push({ event: "task-progress", payload: task(fields) });
    push({ done: 1 });
    await flush(); // tasks come with a module of their own
    push({ done: 2, updated: "2026-11-21T03:42:00.100700Z" }); // within a millisecond
    push({ done: 1, updated: "2026-11-21T03:42:00.100500Z" });
    push({ done: 9, updated: "2026-11-21T03:42:00.900000Z" });
    push({ done: 5, updated: "2026-11-21T03:42:00.500000Z" }); // overtaken
    assert.equal(notifier.tasks[0].done, 9);
    push({ state: "success", done: 64, updated: "2026-11-21T03:42:00.900000Z" }); // in the same moment
    push({ done: 10, updated: "2026-11-21T03:42:00.900000Z" });
    assert.deepEqual(notifier.tasks, []);
    assert.deepEqual(
        details("progress").map(({ done, state }) => [done, state]),
        [
            [1, "running"],
            [2, "running"],
            [9, "running"],
            [64, "success"],
        ],
    );
});

test("running tasks come with the unread set, and go with it where their end was missed", async () => {
    const site = makeSite();
    site.server.inbox.tasks = [task()];
    site.notifier.start();
    await site.clock.advance(0);
    assert.equal(site.notifier.tasks.length, 1);
    assert.equal(site.details("progress").length, 1);
    site.server.inbox.tasks = [];
    await site.notifier.sync();
    assert.deepEqual(site.notifier.tasks, []);
    assert.deepEqual(site.details("tasks").at(-1), []);
});

test("a task that is tried again runs again", async () => {
    const { server, notifier } = await makeLiveSite();
    server.socket.push({ event: "task-progress", payload: task({ state: "failure" }) });
    server.socket.push({ event: "task-progress", payload: task({ updated: "2026-11-21T03:43:00Z" }) });
    await flush();
    assert.equal(notifier.tasks.length, 1);
});

// Events and topics

test("the site's own events", async () => {
    const { server, details } = await makeLiveSite();
    server.socket.push({ event: "skeleton-changed", payload: { id: 4 } });
    assert.deepEqual(details("event"), [{ event: "skeleton-changed", payload: { id: 4 }, topic: null, sender: null }]);
});

test("a listener that throws is reported, and stops nobody else", async () => {
    const { server, notifier, thrown } = await makeLiveSite();
    const got = [];
    notifier.on("message", () => {
        throw new Error("first");
    });
    notifier.on("message", ({ message }) => got.push(message.id));
    notifier.on("unread", () => {
        throw new Error("second");
    });
    server.notify({ id: 1 });
    server.notify({ id: 2 });
    assert.deepEqual(got, [1, 2]);
    assert.deepEqual(
        thrown.map(({ message }) => message),
        ["first", "second", "first", "second"],
    );
    assert.equal(await notifier.sync(), true);
    assert.equal(notifier.state, "live");
});

test("on() ends by its function and by its signal", async () => {
    const { server, notifier } = await makeLiveSite();
    const got = [];
    const off = notifier.on("message", () => got.push("a"));
    const controller = new AbortController();
    notifier.on("message", () => got.push("b"), { signal: controller.signal });
    server.notify({ id: 1 });
    off();
    controller.abort();
    server.notify({ id: 2 });
    assert.deepEqual(got, ["a", "b"]);
});

test("topics are followed on each socket again, and left with their last follower", async () => {
    const { server, notifier, clock } = await makeLiveSite();
    const got = [];
    const follower = ({ payload }) => got.push(payload);
    const offs = [notifier.subscribe("sheet:42", follower), notifier.subscribe("sheet:42", follower)];
    await flush();
    const [asked, ...more] = server.socket.got("subscribe");
    assert.equal(asked.topic, "sheet:42");
    assert.equal(more.length, 0);
    server.socket.push({ event: "subscribed", topic: "sheet:42", ref: asked.ref });
    server.socket.push({ event: "cell", topic: "sheet:42", payload: 1 });
    server.socket.push({ event: "cell", topic: "sheet:43", payload: 2 });
    assert.deepEqual(got, [1, 1]);
    server.socket.drop(1006);
    await clock.advance(2_000);
    assert.equal(server.socket.got("subscribe").length, 1);
    offs[0]();
    offs[0]();
    assert.equal(server.socket.got("unsubscribe").length, 0);
    offs[1]();
    assert.equal(server.socket.got("unsubscribe")[0].topic, "sheet:42");
    server.socket.push({ event: "cell", topic: "sheet:42", payload: 3 });
    assert.deepEqual(got, [1, 1]);
});

test("a topic that is refused is an error, and not asked for again", async () => {
    const { server, notifier, clock, details } = await makeLiveSite();
    notifier.subscribe("secret", () => {});
    await flush();
    const [asked] = server.socket.got("subscribe");
    server.socket.push({ event: "refused", topic: "secret", ref: asked.ref, payload: { reason: "Not for you." } });
    assert.deepEqual(
        details("error").map(({ kind, error }) => [kind, error.message]),
        [["topic", "Topic secret: Not for you."]],
    );
    server.socket.drop(1006);
    await clock.advance(2_000);
    assert.equal(server.socket.got("subscribe").length, 0);
});

test("who follows hears that a topic is refused, also later", async () => {
    const { server, notifier } = await makeLiveSite();
    const got = [];
    notifier.subscribe("secret", (detail) => got.push(detail));
    await flush();
    server.socket.push({ event: "refused", topic: "secret", payload: { reason: "not allowed any more" } });
    assert.deepEqual(got, [{ event: "refused", payload: { reason: "not allowed any more" }, topic: "secret", sender: null }]);
    server.socket.push({ event: "cell", topic: "secret", payload: 1 });
    assert.equal(got.length, 1);
});

test("what another tab was refused concerns that tab", async () => {
    const { server, notifier } = await makeLiveSite();
    const got = [];
    notifier.subscribe("chat", ({ event }) => got.push(event));
    await flush();
    server.socket.push({ event: "refused", topic: "chat", ref: "of another", payload: { reason: "too long" } });
    server.socket.push({ event: "said", topic: "chat" });
    assert.deepEqual(got, ["said"]);
});

test("an older value never replaces a newer one, and who follows later gets the last one", async () => {
    const { server, notifier } = await makeLiveSite();
    const got = [];
    const end = notifier.subscribe("counter", ({ payload, sender }) => got.push([payload, sender]));
    await flush();
    for (const [payload, version] of [
        [5, 12],
        [4, 11],
        [5, 12],
        [6, 13],
    ]) {
        server.socket.push({ event: "value", topic: "counter", payload, version, sender: "other" });
    }
    assert.deepEqual(got, [
        [5, "other"],
        [6, "other"],
    ]);
    const late = [];
    const endLate = notifier.subscribe("counter", ({ payload }) => late.push(payload));
    assert.deepEqual(late, [6]);
    end();
    endLate();
    notifier.subscribe("counter", ({ payload }) => late.push(payload));
    assert.deepEqual(late, [6]);
});

test("without a socket the last values are fetched with each poll, and at once for a new topic", async () => {
    const { server, notifier, clock } = await makePollingSite({ topicsUrl: "/notify/topics" });
    let answer = { values: [{ event: "value", topic: "counter", payload: 1, version: 1 }], refused: ["secret"] };
    server.answer = ({ url }) => {
        return url.startsWith("/notify/topics") ? json(answer) : null;
    };
    const asked = () => server.requests.filter(({ url }) => url.startsWith("/notify/topics"));
    const got = [];
    notifier.subscribe("counter", ({ payload }) => got.push(payload));
    await clock.advance(0);
    assert.equal(asked().at(-1).url, "/notify/topics?topic=counter");
    assert.deepEqual(got, [1]);
    await clock.advance(66_000);
    assert.equal(asked().length >= 2, true);
    assert.deepEqual(got, [1]);
    answer = { values: [{ event: "value", topic: "counter", payload: 2, version: 2 }], refused: ["secret"] };
    const refused = [];
    notifier.subscribe("secret", ({ event }) => refused.push(event));
    await clock.advance(0);
    assert.deepEqual([got, refused], [[1, 2], ["refused"]]);
    notifier.stop();
    assert.equal(server.openRequests.length, 0);
});

test("publish says whether there was a socket", async () => {
    const { server, notifier } = await makeLiveSite();
    assert.equal(notifier.publish("counter", "raised", { by: 1 }), true);
    const [{ topic, payload, ref }] = server.socket.got("publish");
    assert.deepEqual(
        [topic, payload, typeof ref],
        ["counter", { event: "raised", payload: { by: 1 }, sender: notifier.id }, "string"],
    );
    server.socket.drop(1006);
    assert.equal(notifier.publish("counter", "raised", { by: 1 }), false);
});

test("plain http and script prefixes", () => {
    for (const [baseURI, updatesUrl, expected] of [
        ["http://lab-server/", "/channels/updates/", "ws://lab-server/channels/updates/"],
        ["https://lab.example/a/b", "/a/channels/updates/", "wss://lab.example/a/channels/updates/"],
        ["https://lab.example/", "wss://push.example/u/", "wss://push.example/u/"],
    ]) {
        const { notifier, server } = makeSite({
            updatesUrl,
            adapters: { document: Object.assign(new EventTarget(), { baseURI }) },
        });
        notifier.start();
        assert.equal(server.socket.url, expected);
        notifier.stop();
    }
});
