/** Lazy loading of topics and tasks, on slow networks and without one. */
import assert from "node:assert/strict";
import { test } from "node:test";

import * as tasksModule from "../../../catmaid_notify/static/catmaid_notify/core/tasks.js";
import * as topicsModule from "../../../catmaid_notify/static/catmaid_notify/core/topics.js";
import { FakeBrowser } from "../helpers/browser.js";
import { flush } from "../helpers/clock.js";
import { json } from "../helpers/server.js";
import { makeLiveSite, makePollingSite, makeSite } from "../helpers/site.js";

const MINUTE_MS = 60_000;
const frames = (server, event = "subscribe") => server.socket.got(event).map(({ topic }) => topic);
const failures = (site) => site.details("error").filter(({ kind }) => kind === "module").length;

/** An `import()` whose end the test decides on: `arrive()` and `fail()` are for all that is under way, then `flush()`. */
function makeImport(module) {
    const calls = [];
    const settle = (fn) => {
        calls.splice(0).forEach(fn);
        return flush();
    };
    const load = () => {
        load.count += 1;
        return new Promise((resolve, reject) => calls.push({ resolve, reject }));
    };
    return Object.assign(load, {
        count: 0,
        arrive: () => settle(({ resolve }) => resolve(module)),
        fail: () => settle(({ reject }) => reject(new TypeError("Failed to fetch dynamically imported module"))),
    });
}

const slowTopics = () => makeImport(topicsModule);
const slowTasks = () => makeImport(tasksModule);

test("a page that follows nothing and runs nothing loads neither, nor does one that publishes", async () => {
    const importTopics = slowTopics();
    const importTasks = slowTasks();
    const { server, notifier, clock } = await makeLiveSite({ adapters: { importTopics, importTasks } });
    server.notify({ id: 1 });
    server.socket.push({ event: "cell", topic: "of another tab", payload: 1, version: 1 });
    await notifier.markRead(1);
    assert.equal(notifier.publish("counter", "raised"), true);
    assert.deepEqual(notifier.tasks, []);
    server.socket.drop(1006);
    await clock.advance(20 * MINUTE_MS);
    assert.deepEqual([importTopics.count, importTasks.count], [0, 0]);
});

// Topics

test("what is followed before the module is there is followed then, in order and once", async () => {
    const importTopics = slowTopics();
    const { server, notifier } = await makeLiveSite({ adapters: { importTopics } });
    const got = [];
    for (const topic of ["b", "a", "b"]) {
        notifier.subscribe(topic, ({ payload }) => got.push([topic, payload]));
    }
    await flush();
    assert.deepEqual(frames(server), []);
    await importTopics.arrive();
    assert.deepEqual(frames(server), ["b", "a"]);
    assert.equal(importTopics.count, 1);
    server.socket.push({ event: "cell", topic: "b", payload: 1 });
    assert.deepEqual(got, [
        ["b", 1],
        ["b", 1],
    ]);
});

test("what is published after a topic was followed reaches the server after that", async () => {
    const importTopics = slowTopics();
    const { server, notifier, clock } = await makeLiveSite({ adapters: { importTopics } });
    notifier.subscribe("a", () => {});
    assert.equal(notifier.publish("a", "said", 1), true);
    assert.equal(notifier.publish("b", "said", 2), true);
    await flush();
    await importTopics.arrive();
    const sent = server.socket.sent.filter(({ topic }) => topic).map(({ event, topic }) => [event, topic]);
    assert.deepEqual(sent, [
        ["subscribe", "a"],
        ["publish", "a"],
        ["publish", "b"],
    ]);
    server.socket.drop(1006);
    assert.equal(notifier.publish("a", "said", 3), false);
    await clock.advance(5_000);
    assert.deepEqual(server.socket.got("publish"), [], "at most once: not on a later socket");
});

test("what is published while the module is loaded, and there is no socket, is not published later", async () => {
    const importTopics = slowTopics();
    const { server, notifier, clock } = await makeLiveSite({ adapters: { importTopics } });
    server.socket.drop(1006);
    notifier.subscribe("a", () => {});
    assert.equal(notifier.publish("a", "said"), false);
    await clock.advance(5_000);
    await importTopics.arrive();
    assert.deepEqual([frames(server), server.socket.got("publish")], [["a"], []]);
});

test("what is left before the module is there is never followed", async () => {
    const importTopics = slowTopics();
    const { server, notifier } = await makeLiveSite({ adapters: { importTopics } });
    const got = [];
    const end = notifier.subscribe("a", () => got.push("a"));
    notifier.subscribe("b", () => {});
    end();
    await importTopics.arrive();
    end();
    assert.deepEqual([frames(server), frames(server, "unsubscribe")], [["b"], []]);
    server.socket.push({ event: "cell", topic: "a" });
    assert.deepEqual(got, []);
});

test("the socket is lost while the module is loaded: followed once, on the next one", async () => {
    for (const arrives of ["without a socket", "on the next one"]) {
        const importTopics = slowTopics();
        const { server, notifier, clock } = await makeLiveSite({ adapters: { importTopics } });
        notifier.subscribe("a", () => {});
        server.socket.drop(1006);
        if (arrives === "without a socket") {
            await importTopics.arrive();
        }
        await clock.advance(5_000);
        assert.equal(notifier.state, "live");
        await importTopics.arrive();
        assert.deepEqual(frames(server), ["a"], arrives);
        server.socket.drop(1006);
        await clock.advance(5_000);
        assert.deepEqual(frames(server), ["a"], `${arrives}, and then on another one`);
    }
});

test("without a socket, last values are fetched as soon as the module is there", async () => {
    const importTopics = slowTopics();
    const { server, notifier } = await makePollingSite({ topicsUrl: "/notify/topics", adapters: { importTopics } });
    const values = [{ event: "value", topic: "a", payload: 1, version: 1 }];
    server.answer = ({ url }) => (url.startsWith("/notify/topics") ? json({ values, refused: [] }) : null);
    const got = [];
    notifier.subscribe("a", ({ payload }) => got.push(payload));
    await importTopics.arrive();
    assert.deepEqual(got, [1]);
});

test("somebody else signs in while the module is loaded: what the page follows is followed for them, on their socket", async () => {
    const importTopics = slowTopics();
    const { server, notifier, clock } = await makeLiveSite({ adapters: { importTopics } });
    const got = [];
    notifier.subscribe("a", ({ payload }) => got.push(payload));
    const former = server.socket;
    server.inbox = { ...server.inbox, user: "8" };
    former.drop(4410);
    await clock.advance(5_000);
    await importTopics.arrive();
    assert.equal(notifier.user, "8");
    assert.deepEqual([former.got("subscribe").length, frames(server)], [0, ["a"]]);
});

test("another user gets no last value of the former one", async () => {
    const { server, notifier, clock } = await makeLiveSite();
    notifier.subscribe("a", () => {});
    await flush();
    server.socket.push({ event: "value", topic: "a", payload: "private", version: 1 });
    server.inbox = { ...server.inbox, user: "8" };
    server.socket.drop(4410);
    await clock.advance(5_000);
    const got = [];
    notifier.subscribe("a", ({ payload }) => got.push(payload));
    assert.deepEqual(got, []);
});

test("stop() while the module is loaded leaves nothing, and start() follows", async () => {
    const importTopics = slowTopics();
    const { server, notifier, clock } = await makeLiveSite({ topicsUrl: "/t", adapters: { importTopics } });
    notifier.subscribe("a", () => {});
    notifier.stop();
    await importTopics.arrive();
    assert.deepEqual([clock.armed, server.openSockets.length, server.openRequests.length], [0, 0, 0]);
    assert.deepEqual(frames(server), []);
    notifier.start();
    await clock.advance(0);
    assert.deepEqual(frames(server), ["a"]);
});

test("a module that can't be loaded is said, and tried again within a minute; nothing is lost", async () => {
    const importTopics = slowTopics();
    const site = await makeLiveSite({ adapters: { importTopics } });
    const { server, notifier, clock } = site;
    notifier.subscribe("a", () => {});
    const end = notifier.subscribe("b", () => {});
    await importTopics.fail();
    assert.equal(failures(site), 1);
    assert.equal(importTopics.count, 1, "not at once");
    end();
    await clock.advance(MINUTE_MS);
    assert.equal(importTopics.count, 2);
    await importTopics.fail();
    await clock.advance(MINUTE_MS);
    await importTopics.arrive();
    assert.deepEqual(frames(server), ["a"]);
    assert.equal(failures(site), 2);
    await clock.advance(30 * MINUTE_MS);
    assert.equal(importTopics.count, 3);
});

test("a module that failed is tried again at once when somebody follows another topic, or a socket is back", async () => {
    const importTopics = slowTopics();
    const { server, notifier, clock } = await makeLiveSite({ adapters: { importTopics } });
    notifier.subscribe("a", () => {});
    await importTopics.fail();
    notifier.subscribe("b", () => {});
    assert.equal(importTopics.count, 2);
    await importTopics.fail();
    server.socket.drop(1006);
    await clock.advance(5_000);
    await importTopics.arrive();
    assert.deepEqual(frames(server), ["a", "b"]);
});

test("stop() after a failure leaves no timer, and start() tries again", async () => {
    const importTopics = slowTopics();
    const { server, notifier, clock } = await makeLiveSite({ adapters: { importTopics } });
    notifier.subscribe("a", () => {});
    notifier.stop();
    await importTopics.fail();
    assert.equal(clock.armed, 0);
    await clock.advance(10 * MINUTE_MS);
    assert.equal(importTopics.count, 1);
    notifier.start();
    await clock.advance(0);
    await importTopics.arrive();
    assert.deepEqual(frames(server), ["a"]);
});

test("a refusal to publish is an error where nothing is followed, too", async () => {
    const importTopics = slowTopics();
    const site = await makeLiveSite({ adapters: { importTopics } });
    site.notifier.publish("sheet", "saved");
    const [{ ref, topic }] = site.server.socket.got("publish");
    site.server.socket.push({ event: "refused", topic, ref, payload: { reason: "not for you" } });
    await importTopics.arrive();
    const errors = site.details("error").map(({ kind, error }) => [kind, error.message]);
    assert.deepEqual(errors, [["topic", "Topic sheet: not for you"]]);
});

test("answers to requests are no events of the site", async () => {
    const { server, notifier, details } = await makeLiveSite();
    const end = notifier.subscribe("a", () => {});
    await flush();
    end();
    for (const { event, topic, ref } of server.socket.sent.filter(({ topic }) => topic)) {
        server.socket.push({ event: `${event}d`, payload: null, topic, ref });
    }
    assert.deepEqual([frames(server), frames(server, "unsubscribe"), details("event")], [["a"], ["a"], []]);
});

// Topics of other tabs

/** A browser whose first tab leads, with an `importTopics` that the test decides on; the others have theirs at once. */
async function openTabs(count) {
    const browser = new FakeBrowser();
    const importTopics = slowTopics();
    const tabs = [await browser.open({ adapters: { importTopics } })];
    while (tabs.length < count) {
        tabs.push(await browser.open());
    }
    await browser.clock.advance(0);
    return { browser, clock: browser.clock, server: browser.server, tabs, importTopics };
}

test("a tab that leads hands on what others asked while its module was loaded, in order", async () => {
    const { clock, server, tabs, importTopics } = await openTabs(3);
    const got = [];
    const end = tabs[1].notifier.subscribe("a", ({ payload }) => got.push(payload));
    tabs[2].notifier.subscribe("a", () => {});
    await clock.advance(0);
    tabs[2].notifier.subscribe("b", () => {});
    await clock.advance(0);
    assert.deepEqual([importTopics.count, frames(server)], [1, []]);
    await importTopics.arrive();
    assert.deepEqual(frames(server), ["a", "a", "b"]);
    server.socket.push({ event: "cell", topic: "a", payload: 1 });
    await clock.advance(0);
    assert.deepEqual(got, [1]);
    end();
    await clock.advance(0);
    assert.deepEqual(frames(server, "unsubscribe"), [], "another tab follows it still");
});

test("what another tab publishes doesn't overtake what it follows, and waits for nothing else", async () => {
    const { clock, server, tabs, importTopics } = await openTabs(2);
    const sent = () => server.socket.sent.filter(({ topic }) => topic).map(({ event, topic }) => [event, topic]);
    tabs[1].notifier.publish("a", "said");
    await clock.advance(0);
    assert.deepEqual([sent(), importTopics.count], [[["publish", "a"]], 0]);
    tabs[1].notifier.subscribe("b", () => {});
    await clock.advance(0);
    tabs[1].notifier.publish("b", "said");
    await clock.advance(0);
    assert.deepEqual(sent(), [["publish", "a"]]);
    await importTopics.arrive();
    assert.deepEqual(sent().slice(1), [
        ["subscribe", "b"],
        ["publish", "b"],
    ]);
    tabs[1].notifier.publish("b", "said");
    await clock.advance(0);
    assert.deepEqual(sent().slice(3), [["publish", "b"]]);
});

test("what a tab left, or a tab that is gone, isn't followed for ever", async () => {
    for (const leave of ["unsubscribes", "is closed"]) {
        const { clock, server, tabs, importTopics } = await openTabs(3);
        const end = tabs[1].notifier.subscribe("a", () => {});
        await clock.advance(0);
        await (leave === "is closed" ? tabs[1].close() : end());
        await clock.advance(0);
        await importTopics.arrive();
        assert.deepEqual([frames(server), frames(server, "unsubscribe")], [["a"], ["a"]], leave);
    }
});

test("a tab that goes and never followed anything makes no tab load the module", async () => {
    const { clock, tabs, importTopics } = await openTabs(2);
    await tabs[1].close();
    await clock.advance(0);
    assert.equal(importTopics.count, 0);
});

test("a tab leaves a topic without harm to the others that follow it over its socket", async () => {
    const { clock, server, tabs, importTopics } = await openTabs(2);
    const end = tabs[0].notifier.subscribe("a", () => {});
    await importTopics.arrive();
    const endOther = tabs[1].notifier.subscribe("a", () => {});
    await clock.advance(0);
    end();
    assert.deepEqual(frames(server, "unsubscribe"), []);
    endOther();
    await clock.advance(0);
    assert.deepEqual(frames(server, "unsubscribe"), ["a"]);
});

test("a tab that leads goes on following what another tab leaves", async () => {
    const { clock, server, tabs, importTopics } = await openTabs(2);
    tabs[0].notifier.subscribe("a", () => {});
    await importTopics.arrive();
    const endOther = tabs[1].notifier.subscribe("a", () => {});
    await clock.advance(0);
    endOther();
    await clock.advance(0);
    assert.deepEqual(frames(server, "unsubscribe"), []);
});

test("a leader's module can't be loaded: others' topics are followed when it can", async () => {
    const { clock, server, tabs, importTopics } = await openTabs(2);
    tabs[1].notifier.subscribe("a", () => {});
    await clock.advance(0);
    await importTopics.fail();
    await clock.advance(MINUTE_MS);
    await importTopics.arrive();
    assert.deepEqual(frames(server), ["a"]);
});

test("a leader that loses the lead while its module is loaded asks nothing for others any more", async () => {
    const { clock, server, tabs, importTopics } = await openTabs(2);
    const end = tabs[1].notifier.subscribe("a", () => {});
    await clock.advance(0);
    tabs[0].document.fire("freeze"); // the second tab leads now, with its module
    await clock.advance(0);
    tabs[0].document.fire("resume");
    await clock.advance(0);
    assert.deepEqual([tabs[0].notifier.state, tabs[1].notifier.state], ["follower", "live"]);
    assert.deepEqual(frames(server), ["a"]);
    await importTopics.arrive();
    await clock.advance(0);
    assert.deepEqual(frames(server), ["a"]);
    end();
    assert.deepEqual(frames(server, "unsubscribe"), ["a"]);
});

test("a leader whose socket was another one when it was asked doesn't take old notes for new ones", async () => {
    const { clock, server, tabs, importTopics } = await openTabs(3);
    const end = tabs[1].notifier.subscribe("a", () => {});
    tabs[2].notifier.subscribe("b", () => {});
    await clock.advance(0);
    server.socket.drop(1006);
    await clock.advance(0);
    end(); // while nobody has a socket that could be told
    await clock.advance(5_000);
    await importTopics.arrive();
    assert.deepEqual([frames(server), frames(server, "unsubscribe")], [["b"], []]);
    tabs[0].notifier.subscribe("a", () => {})();
    await clock.advance(0);
    assert.deepEqual(frames(server, "unsubscribe"), ["a"]);
});

// Tasks

const task = (fields = {}) => ({
    id: "t1",
    title: "Crop",
    state: "running",
    done: 1,
    total: 64,
    text: "",
    updated: "2026-11-21T03:42:00.1Z",
    ...fields,
});
const push = (server, fields) => server.socket.push({ event: "task-progress", payload: task(fields) });

test("what tasks did while their module was loaded is told in order", async () => {
    const importTasks = slowTasks();
    const { server, notifier, details } = await makeLiveSite({ adapters: { importTasks } });
    push(server, { done: 1 });
    push(server, { done: 2, updated: "2026-11-21T03:42:00.2Z" });
    push(server, { id: "t2" });
    push(server, { id: "t2", state: "success", updated: "2026-11-21T03:42:00.3Z" });
    assert.deepEqual(notifier.tasks, []);
    await importTasks.arrive();
    assert.deepEqual(
        details("progress").map(({ id, done, state }) => [id, done, state]),
        [
            ["t1", 1, "running"],
            ["t1", 2, "running"],
            ["t2", 1, "running"],
            ["t2", 1, "success"],
        ],
    );
    assert.deepEqual(
        notifier.tasks.map(({ id }) => id),
        ["t1"],
    );
    assert.equal(importTasks.count, 1);
});

test("a sync while the module is loaded counts as the state of its own moment", async () => {
    const importTasks = slowTasks();
    const site = makeSite({ adapters: { importTasks } });
    site.server.inbox.tasks = [task(), task({ id: "t2" })];
    site.notifier.start();
    await site.clock.advance(0);
    site.server.inbox.tasks = [task()];
    await site.notifier.sync();
    await importTasks.arrive();
    assert.deepEqual(
        site.notifier.tasks.map(({ id }) => id),
        ["t1"],
    );
    site.server.inbox.tasks = [];
    await site.notifier.sync();
    assert.deepEqual(site.notifier.tasks, []);
});

test("tasks of the former user are told to nobody, whenever their module comes", async () => {
    const importTasks = slowTasks();
    const { server, notifier, clock, details } = await makeLiveSite({ adapters: { importTasks } });
    push(server, { title: "private" });
    server.inbox = { ...server.inbox, user: "8" };
    server.socket.drop(4410);
    await clock.advance(5_000);
    await importTasks.arrive();
    assert.deepEqual([notifier.tasks, details("progress")], [[], []]);
    push(server, { id: "t8" });
    await importTasks.arrive();
    assert.deepEqual(
        notifier.tasks.map(({ id }) => id),
        ["t8"],
    );
});

test("another user has none of the tasks that ran for the former one", async () => {
    const { server, notifier, clock, details } = await makeLiveSite();
    push(server, { title: "private" });
    await flush();
    assert.equal(notifier.tasks.length, 1);
    server.inbox = { ...server.inbox, user: "8" };
    server.socket.drop(4410);
    assert.deepEqual([notifier.tasks, details("tasks").at(-1)], [[], []]);
    push(server, {}); // on a socket that is closed
    await clock.advance(5_000);
    assert.deepEqual(notifier.tasks, []);
});

test("a module of tasks that can't be loaded is tried again, and the bars are shown then", async () => {
    const importTasks = slowTasks();
    const site = await makeLiveSite({ adapters: { importTasks } });
    push(site.server);
    await importTasks.fail();
    assert.equal(failures(site), 1);
    await site.clock.advance(MINUTE_MS);
    await importTasks.arrive();
    assert.equal(site.details("progress").length, 1);
});

test("reports of a task whose module can't be loaded are no further tries, and the next sync brings it", async () => {
    const importTasks = slowTasks();
    const site = await makeLiveSite({ adapters: { importTasks } });
    push(site.server);
    await importTasks.fail();
    for (let done = 2; done < 100; done += 1) {
        push(site.server, { done, updated: `2026-11-21T03:43:00.${100 + done}Z` });
    }
    assert.deepEqual([importTasks.count, failures(site)], [1, 1]);
    site.server.inbox.tasks = [task({ done: 99, updated: "2026-11-21T03:43:00.199Z" })];
    await site.clock.advance(MINUTE_MS);
    await importTasks.arrive();
    assert.deepEqual(
        site.notifier.tasks.map(({ done }) => done),
        [99],
    );
    push(site.server, { done: 100, updated: "2026-11-21T03:43:01Z" });
    assert.deepEqual(
        site.notifier.tasks.map(({ done }) => done),
        [100],
    );
});

test("tasks have the types that they should have, whatever the server sends", async () => {
    const { server, notifier } = await makeLiveSite();
    for (const payload of [
        null,
        7,
        {},
        { id: 7 },
        { id: "" },
        { id: "x", title: 1, state: "?", done: -1, total: "64", text: null },
    ]) {
        server.socket.push({ event: "task-progress", payload });
    }
    await flush();
    assert.deepEqual(notifier.tasks, [{ id: "x", title: "", state: "running", done: 0, total: 0, text: "", updated: "" }]);
    assert.ok(Object.isFrozen(notifier.tasks[0]));
});
