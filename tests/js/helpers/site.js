import { setMaxListeners } from "node:events";

import * as tasks from "../../../catmaid_notify/static/catmaid_notify/core/tasks.js";
import * as topics from "../../../catmaid_notify/static/catmaid_notify/core/topics.js";
import { createNotifier } from "../../../catmaid_notify/static/catmaid_notify/index.js";
import { FakeClock } from "./clock.js";
import { FakeServer } from "./server.js";

/** Lazy modules, without the delay of a real `import()`. */
const LOADED = { importTasks: async () => tasks, importTopics: async () => topics };

/**
 * A page with a notifier on it, its server and its clock; nothing is started. `create` is what makes the notifier, another one than
 * that of the modules loads by itself what it needs.
 */
export function makeSite({
    random = 0.5,
    adapters = {},
    clock = new FakeClock(),
    server = new FakeServer(clock),
    create = createNotifier,
    ...options
} = {}) {
    const document = new FakeTarget({
        baseURI: "https://lab.example/catmaid/page",
        cookie: "",
        hidden: false,
        hasFocus: () => false,
    });
    const window = new FakeTarget();
    const thrown = [];
    const notifier = create({
        user: "7",
        unreadUrl: "/catmaid/notify/unread",
        readUrl: "/catmaid/notify/read",
        updatesUrl: "/catmaid/channels/updates/",
        ...options,
        adapters: {
            WebSocket: server.WebSocket,
            BroadcastChannel: undefined,
            locks: undefined,
            fetch: server.fetch,
            setTimeout: clock.setTimeout,
            clearTimeout: clock.clearTimeout,
            now: clock.now,
            wallNow: () => Date.parse("2026-11-21T00:00:00Z") + clock.now(),
            random: typeof random === "function" ? random : () => random,
            document,
            window,
            reportError: (error) => thrown.push(error),
            ...(create === createNotifier && LOADED),
            ...adapters,
        },
    });
    const events = [];
    for (const type of ["state", "message", "read", "unread", "progress", "tasks", "event", "user", "sync", "error"]) {
        notifier.on(type, (detail) => events.push({ type, detail, atMs: clock.now() }));
    }
    const details = (type) => events.filter((event) => event.type === type).map((event) => event.detail);
    return {
        clock,
        server,
        document,
        window,
        notifier,
        thrown,
        events,
        details,
        states: () => details("state").map((change) => change.state),
        shown: () => details("message").map(({ message }) => message.id),
    };
}

/** The same, live. */
export async function makeLiveSite(options) {
    const site = makeSite(options);
    site.notifier.start();
    await site.clock.advance(0);
    if (site.notifier.state !== "live") {
        throw new Error(`The site is ${site.notifier.state}, not live.`);
    }
    return site;
}

/** The same, polling since just now. */
export async function makePollingSite(options) {
    const site = makeSite(options);
    site.server.refuses = true;
    site.notifier.start();
    while (site.notifier.state !== "polling") {
        await site.clock.advance(100);
    }
    return site;
}

/** A document or a window that knows how many listeners it has. */
class FakeTarget extends EventTarget {
    listeners = 0;

    constructor(properties = {}) {
        super();
        Object.assign(this, properties);
    }

    addEventListener(type, fn, options) {
        this.listeners += 1;
        if (options?.signal) {
            setMaxListeners(0, options.signal); // Node takes more than ten for a leak
            options.signal.addEventListener("abort", () => (this.listeners -= 1));
        }
        super.addEventListener(type, fn, options);
    }

    fire(type, properties = {}) {
        this.dispatchEvent(Object.assign(new Event(type), properties));
    }
}
