import assert from "node:assert/strict";
import { test } from "node:test";

import { FakeBrowser } from "../helpers/browser.js";
import { flush } from "../helpers/clock.js";

const MINUTE_MS = 60_000;
const states = (tabs) => tabs.map(({ notifier }) => notifier.state);

/** A browser with `count` tabs, the first of which leads. */
async function openTabs(count, options) {
    const browser = new FakeBrowser(options);
    const tabs = [];
    for (let number = 0; number < count; number += 1) {
        tabs.push(await browser.open());
    }
    await browser.clock.advance(0);
    return { browser, server: browser.server, clock: browser.clock, tabs };
}

// One socket

test("the tabs of a user share one socket, and each shows each message once", async () => {
    const { server, clock, tabs } = await openTabs(3);
    assert.deepEqual(states(tabs), ["live", "follower", "follower"]);
    assert.equal(server.sockets.length, 1);
    assert.deepEqual(
        tabs.map(({ notifier }) => notifier.transport),
        ["websocket", "websocket", "websocket"],
    );
    server.notify({ id: 1 });
    server.notify({ id: 2 });
    await clock.advance(20 * MINUTE_MS);
    for (const tab of tabs) {
        assert.deepEqual(tab.shown(), [1, 2]);
        assert.equal(tab.details("message").at(-1).via, "push");
    }
    assert.equal(server.sockets.length, 1);
});

test("a follower has a sync of its own, begun after the leader said that its socket is open", async () => {
    const { browser, server, clock } = await openTabs(1);
    server.notify({ id: 1 }, { push: false }); // nobody is told
    const before = server.syncs.length;
    const follower = await browser.open();
    await clock.advance(0);
    assert.equal(server.syncs.length, before + 1);
    assert.deepEqual(follower.shown(), [1]);
    assert.deepEqual(follower.states(), ["connecting", "follower"]);
    await clock.advance(11 * MINUTE_MS);
    assert.ok(server.syncs.length >= before + 3, "a follower compares itself with the inbox every 10 min, too");
});

test("a follower whose sync fails doesn't take itself for one that misses nothing", async () => {
    const { browser, server, clock } = await openTabs(1);
    server.answer = () => new Response(null, { status: 500 });
    const follower = await browser.open();
    await clock.advance(29_000);
    assert.equal(follower.notifier.state, "connecting");
    await clock.advance(2_000);
    assert.equal(follower.notifier.state, "polling");
    server.answer = () => null;
    await clock.advance(5 * MINUTE_MS);
    assert.equal(follower.notifier.state, "follower");
    assert.equal(server.sockets.length, 1);
});

test("users, and sites on one origin, have nothing to do with each other", async () => {
    const { browser, server, clock, tabs } = await openTabs(1);
    const site = await browser.open({ updatesUrl: "/other/channels/updates/" });
    server.inbox = { ...server.inbox, user: "8" };
    const user = await browser.open({ user: "8" });
    await clock.advance(0);
    assert.deepEqual(states([...tabs, site, user]), ["live", "live", "live"]);
    assert.equal(server.openSockets.length, 3);
});

test("a page that doesn't know its user asks first, and then shares the socket", async () => {
    const { browser, server, clock } = await openTabs(1);
    const tab = await browser.open({ user: "" });
    await clock.advance(0);
    assert.equal(tab.notifier.state, "follower");
    assert.equal(server.sockets.length, 1);
});

test("followers poll as soon as the leader's socket is closed, and follow again when it is open", async () => {
    const { server, clock, tabs } = await openTabs(3);
    server.refuses = true;
    server.socket.drop(1006);
    await clock.advance(0);
    assert.deepEqual(states(tabs), ["waiting", "waiting", "waiting"]);
    await clock.advance(31_000);
    assert.deepEqual(states(tabs), ["polling", "polling", "polling"]);
    server.notify({ id: 1 }, { push: false });
    await clock.advance(MINUTE_MS);
    assert.deepEqual(
        tabs.map((tab) => tab.shown()),
        [[1], [1], [1]],
    );
    server.refuses = false;
    await clock.advance(6 * MINUTE_MS);
    assert.deepEqual(states(tabs), ["live", "follower", "follower"]);
    assert.equal(server.openSockets.length, 1);
});

test("followers never go without asking for more than a minute while the leader has no socket", async () => {
    const { server, clock, tabs } = await openTabs(2);
    server.refuses = true;
    server.socket.drop(1006);
    const before = server.syncs.length;
    await clock.advance(10 * MINUTE_MS);
    assert.ok(server.syncs.length - before >= 20, `${server.syncs.length - before} requests`);
    assert.deepEqual(states(tabs), ["polling", "polling"]);
});

test("a socket that was silent makes every tab ask at once, one that was closed makes none", async () => {
    const { server, clock, tabs } = await openTabs(3);
    const before = server.syncs.length;
    server.socket.drop(1006);
    await clock.advance(0);
    assert.equal(server.syncs.length, before);
    await clock.advance(5_000);
    const { length } = server.syncs;
    server.socket.send = () => {}; // into a dead network
    server.greets = false;
    await clock.advance(40_000);
    assert.equal(tabs[0].notifier.state, "waiting");
    assert.equal(server.syncs.length, length + 3);
});

// Election

test("the leader is closed: the next tab takes over at once, and nothing is lost on the way", async () => {
    const { server, clock, tabs } = await openTabs(3);
    const [first, ...others] = tabs;
    await first.close();
    server.notify({ id: 1 }, { push: false }); // committed while nobody has a socket
    await clock.advance(0);
    assert.deepEqual(states(others), ["live", "follower"]);
    assert.equal(server.openSockets.length, 1);
    assert.deepEqual(
        others.map((tab) => tab.shown()),
        [[1], [1]],
    );
    assert.deepEqual(others[0].states().slice(-3), ["follower", "connecting", "live"]);
});

test("the leader crashes: the next tab takes over at once", async () => {
    const { server, clock, tabs } = await openTabs(2);
    await tabs[0].crash();
    server.notify({ id: 1 }, { push: false });
    await clock.advance(0);
    assert.equal(tabs[1].notifier.state, "live");
    assert.deepEqual(tabs[1].shown(), [1]);
});

test("the leader hangs: after 15 s one of the others takes the lock from it", async () => {
    const { server, clock, tabs } = await openTabs(3);
    const [leader, ...others] = tabs;
    leader.hang();
    await clock.advance(12_000);
    assert.deepEqual(states(others), ["follower", "follower"]);
    await clock.advance(3_100);
    assert.deepEqual(states(others).sort(), ["follower", "live"]);
    server.notify({ id: 1 });
    await clock.advance(0);
    await leader.recover();
    await clock.advance(1_000);
    assert.deepEqual(states(tabs).sort(), ["follower", "follower", "live"]);
    assert.equal(server.openSockets.length, 1);
    assert.deepEqual(
        tabs.map((tab) => tab.shown()),
        [[1], [1], [1]],
    );
});

test("an event that isn't stored is shown at most once by a tab that hung as the leader", async () => {
    const { server, clock, tabs } = await openTabs(3);
    const [leader] = tabs;
    leader.hang();
    const old = server.socket;
    await clock.advance(16_000);
    for (const socket of [old, server.socket]) {
        socket.push({ event: "saved", payload: 1 });
    }
    await leader.recover();
    assert.deepEqual(
        tabs.map((tab) => tab.details("event").length),
        [1, 1, 1],
    );
});

test("a tab that takes over is live when its own socket is, or polls after 30 s", async () => {
    const { server, clock, tabs } = await openTabs(2);
    server.greets = false;
    await tabs[0].close();
    await clock.advance(0);
    await tabs[1].notifier.sync();
    assert.equal(tabs[1].notifier.state, "connecting");
    await clock.advance(30_000);
    assert.equal(tabs[1].notifier.state, "polling");
});

test("a leader that answers keeps the lock, however quiet its socket is", async () => {
    const { server, clock, tabs } = await openTabs(4);
    server.answer = () => null;
    await clock.advance(60 * MINUTE_MS);
    assert.equal(tabs[0].notifier.state, "live");
    assert.equal(tabs[0].states().filter((state) => state === "live").length, 1);
});

test("a frozen leader gives the lead away, and comes back as a follower", async () => {
    const { server, clock, tabs } = await openTabs(2);
    tabs[0].document.fire("freeze");
    await clock.advance(0);
    assert.deepEqual(states(tabs), ["suspended", "live"]);
    server.notify({ id: 1 });
    tabs[0].document.fire("resume");
    await clock.advance(0);
    assert.deepEqual(states(tabs), ["follower", "live"]);
    assert.deepEqual(tabs[0].shown(), [1]);
    assert.equal(server.openSockets.length, 1);
});

test("stop() leaves no lock, no wish for one, and no channel", async () => {
    const { browser, clock, tabs } = await openTabs(2);
    tabs[0].notifier.stop();
    tabs[0].notifier.start(); // and, before there is an answer, stops again
    for (const tab of tabs) {
        tab.notifier.stop();
    }
    await flush();
    assert.equal(browser.left, 0);
    assert.equal(clock.armed, 0);
});

test("a tab that stops before it gets the lock gives it back", async () => {
    const browser = new FakeBrowser();
    const { notifier } = await browser.open();
    notifier.stop();
    await flush();
    notifier.start();
    notifier.stop();
    await flush();
    assert.equal(browser.left, 0);
});

test("locks that can't be had leave each tab with a socket of its own", async () => {
    const browser = new FakeBrowser();
    const locks = { request: () => Promise.reject(new DOMException("no", "SecurityError")) };
    const tabs = [await browser.open({ adapters: { locks } }), await browser.open({ adapters: { locks } })];
    await browser.clock.advance(0);
    assert.deepEqual(states(tabs), ["live", "live"]);
    assert.equal(browser.server.openSockets.length, 2);
});

// Signing out and in

test("the end of the session is seen by every tab, and its return by all when one is signed in", async () => {
    const { browser, server, clock, tabs } = await openTabs(3);
    server.greets = false;
    server.socket.drop(4401);
    await clock.advance(0);
    for (const _ of tabs) {
        server.socket.drop(4401);
        await clock.advance(0);
    }
    assert.deepEqual(states(tabs), ["signedout", "signedout", "signedout"]);
    assert.equal(clock.armed, 0);
    const sockets = server.sockets.length;
    await clock.advance(60 * MINUTE_MS);
    assert.equal(server.sockets.length, sockets);
    server.greets = true;
    const signedIn = await browser.open();
    await clock.advance(0);
    assert.deepEqual(states([signedIn, ...tabs]), ["live", "follower", "follower", "follower"]);
    assert.equal(server.openSockets.length, 1);
});

test("somebody else signs in: every tab goes over, to one new socket", async () => {
    const { server, clock, tabs } = await openTabs(3);
    server.notify({ id: 1 });
    server.inbox = { user: "8", count: 0, more: false, messages: [], tasks: [] };
    server.notify({ id: 2 }, { push: false });
    server.socket.drop(4410);
    await clock.advance(2 * MINUTE_MS);
    assert.deepEqual(
        tabs.map(({ notifier }) => notifier.user),
        ["8", "8", "8"],
    );
    assert.deepEqual(states(tabs).sort(), ["follower", "follower", "live"]);
    assert.equal(server.openSockets.length, 1);
    for (const tab of tabs) {
        assert.deepEqual(
            tab.notifier.unread.messages.map(({ id }) => id),
            [2],
        );
    }
});

// Shared reads

for (const [how, isSecure, refuses] of [
    ["over one socket", true, false],
    ["without a socket", true, true],
    ["without locks", false, false],
]) {
    test(`read in one tab is read in all: ${how}`, async () => {
        const browser = new FakeBrowser({ isSecure });
        const { server, clock } = browser;
        server.refuses = refuses;
        const tabs = [await browser.open(), await browser.open(), await browser.open()];
        server.notify({ id: 1 }, { push: false });
        server.notify({ id: 2 }, { push: false });
        await clock.advance(12 * MINUTE_MS);
        await tabs[1].notifier.markRead([1]);
        await flush();
        assert.deepEqual(
            tabs.map(({ notifier }) => notifier.unread.count),
            [1, 1, 1],
        );
        await tabs[2].notifier.markRead({ all: true });
        await flush();
        assert.deepEqual(
            tabs.map(({ notifier }) => notifier.unread.count),
            [0, 0, 0],
        );
    });
}

// Topics

test("topics of all tabs are followed on the one socket, and left with their last follower", async () => {
    const { server, clock, tabs } = await openTabs(3);
    const got = [];
    const ends = tabs
        .slice(1)
        .map(({ notifier }, index) => notifier.subscribe("sheet:42", ({ payload }) => got.push([index, payload])));
    await clock.advance(0);
    assert.deepEqual(
        server.socket.got("subscribe").map(({ topic }) => topic),
        ["sheet:42", "sheet:42"],
    );
    server.socket.push({ event: "saved", topic: "sheet:42", payload: "B2" });
    await clock.advance(0);
    assert.deepEqual(got, [
        [0, "B2"],
        [1, "B2"],
    ]);
    ends[0]();
    await clock.advance(0);
    assert.equal(server.socket.got("unsubscribe").length, 0);
    ends[1]();
    await clock.advance(0);
    assert.equal(server.socket.got("unsubscribe").length, 1);
});

test("topics are followed again on the socket of the next leader, and a tab that is closed leaves its own", async () => {
    const { server, clock, tabs } = await openTabs(3);
    tabs[2].notifier.subscribe("sheet:42", () => {});
    tabs[1].notifier.subscribe("sheet:1", () => {});
    await clock.advance(0);
    await tabs[0].close();
    await clock.advance(0);
    assert.deepEqual(
        server.socket
            .got("subscribe")
            .map(({ topic }) => topic)
            .sort(),
        ["sheet:1", "sheet:42"],
    );
    await tabs[2].close();
    await clock.advance(0);
    assert.deepEqual(
        server.socket.got("unsubscribe").map(({ topic }) => topic),
        ["sheet:42"],
    );
});

test("who has left a topic while there was no socket doesn't keep it on the next one", async () => {
    const { server, clock, tabs } = await openTabs(3);
    const [first, second] = tabs.slice(1).map(({ notifier }) => notifier.subscribe("sheet:42", () => {}));
    await clock.advance(0);
    server.socket.drop(1006);
    await clock.advance(0);
    first();
    await clock.advance(10_000);
    second();
    await clock.advance(0);
    assert.equal(server.socket.got("unsubscribe").length, 1);
});

test("a refusal is an error in the tab that asked, and in no other", async () => {
    const { server, clock, tabs } = await openTabs(3);
    tabs[1].notifier.subscribe("secret", () => {});
    await clock.advance(0);
    const [{ ref }] = server.socket.got("subscribe");
    server.socket.push({ event: "refused", topic: "secret", ref, payload: { reason: "unknown topic" } });
    await clock.advance(0);
    assert.deepEqual(
        tabs.map((tab) => tab.details("error").length),
        [0, 1, 0],
    );
});

test("a follower publishes through the leader, as long as that has a socket", async () => {
    const { server, clock, tabs } = await openTabs(2);
    assert.equal(tabs[1].notifier.publish("sheet:42", "saved", { cell: "B2" }), true);
    await clock.advance(0);
    assert.deepEqual(server.socket.got("publish")[0].payload, {
        event: "saved",
        payload: { cell: "B2" },
        sender: tabs[1].notifier.id,
    });
    server.refuses = true;
    server.socket.drop(1006);
    await clock.advance(0);
    assert.equal(tabs[1].notifier.publish("sheet:42", "saved"), false);
});

// Whatever happens

for (const seed of [1, 2, 3, 4, 5]) {
    test(`tabs come, go, hang and sleep, sockets break: one socket, and each message once in every tab (${seed})`, async () => {
        let state = seed;
        const random = () => {
            state = (state * 48_271) % 2_147_483_647;
            return state / 2_147_483_647;
        };
        const browser = new FakeBrowser();
        const { clock, server } = browser;
        let tabs = [await browser.open(), await browser.open()];
        const hanging = new Set();
        for (let id = 1; id <= 120; id += 1) {
            const tab = tabs[Math.floor(random() * tabs.length)];
            const dice = random();
            if (dice < 0.08) {
                tabs.push(await browser.open());
            } else if (dice < 0.16 && tabs.length > 2) {
                await (random() < 0.5 ? tab.close() : tab.crash());
                hanging.delete(tab);
                tabs = tabs.filter((one) => one !== tab);
            } else if (dice < 0.24) {
                tab.hang();
                hanging.add(tab);
            } else if (dice < 0.32 && !hanging.has(tab)) {
                tab.document.fire(random() < 0.5 ? "freeze" : "resume");
            } else if (dice < 0.4) {
                server.refuses = !server.refuses;
                server.openSockets.forEach((socket) => socket.drop(1006));
            }
            for (const one of hanging) {
                if (random() < 0.3) {
                    hanging.delete(one);
                    await one.recover();
                }
            }
            const message = server.notify({ id }, { push: false });
            if (random() < 0.7) {
                server.openSockets.forEach((socket) => socket.push({ event: "new-message", payload: { message } }));
            }
            await clock.advance(random() * 20_000);
        }
        server.refuses = false;
        for (const tab of tabs) {
            await tab.recover();
            tab.document.fire("resume");
        }
        await clock.advance(12 * MINUTE_MS);
        assert.equal(server.openSockets.length, 1);
        assert.deepEqual(states(tabs).sort(), [...Array(tabs.length - 1).fill("follower"), "live"]);
        for (const tab of tabs) {
            const shown = tab.shown();
            assert.equal(new Set(shown).size, shown.length, "a message was shown twice");
            const newest = server.inbox.messages.map((message) => message.id);
            assert.deepEqual(
                newest.filter((id) => !shown.includes(id)),
                [],
                "a message was not shown",
            );
        }
    });
}
