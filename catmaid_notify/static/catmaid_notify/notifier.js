import { browserAdapters } from "./adapters.js";
import { TIMINGS } from "./backoff.js";
import { csrfToken } from "./csrf.js";
import { Lifecycle } from "./lifecycle.js";
import { Mailbox } from "./mailbox.js";
import { Page } from "./page.js";
import { CLOSE, EVENTS } from "./protocol.js";
import { toIds, toMessage, toTask } from "./shapes.js";
import { InboxSync } from "./sync.js";
import { Tasks } from "./tasks.js";
import { Timer } from "./timer.js";
import { Topics } from "./topics.js";

/**
 * Return a notifier: the inbox of who is signed in, kept up to date by pushes and, where there is no socket, by polling.
 * Does nothing before `start()`.
 *
 * @param {object} options
 * @param {string} options.unreadUrl  where the unread set is
 * @param {string} options.readUrl    where messages are marked as read
 * @param {string} options.updatesUrl  the WebSocket, as a path, `http(s)` or `ws(s)` URL; resolved against the page
 * @param {string} [options.messagesUrl=""]  where the pages of the whole inbox are
 * @param {string} [options.user=""]  who the page was rendered for; empty: whoever the server says
 * @param {string} [options.csrfCookie="csrftoken"]  name of Django's CSRF cookie
 * @param {string} [options.csrfToken=""]  where scripts can't read that cookie
 * @param {object} [options.timings]  replaces some of `TIMINGS` (backoff.js), in milliseconds
 * @param {object} [options.adapters]  replaces some of `browserAdapters()` (adapters.js)
 */
export function createNotifier(options) {
    return new Notifier(options);
}

/** The socket is a hint, the unread set is the truth: whatever may have been missed is asked for. */
export class Notifier extends EventTarget {
    #adapters;
    #options;
    #timings;
    #user;
    #mailbox = new Mailbox();
    #tasks = new Tasks();
    #topics;
    #sync;
    #lifecycle;
    #page;
    #marks = { mailbox: 0, tasks: 0 }; // when the sync that is under way began
    #isFirstSync = true;
    #isStale = false; // a sync is wanted once the server has confirmed what was read
    #posts = new Set(); // AbortControllers of reads that are under way
    #closeCode = null;

    constructor(options) {
        super();
        this.#adapters = { ...browserAdapters(), ...options.adapters };
        this.#timings = { ...TIMINGS, ...options.timings };
        this.#options = { csrfCookie: "csrftoken", csrfToken: "", messagesUrl: "", ...options };
        this.#user = options.user ?? "";
        this.#sync = new InboxSync({
            adapters: this.#adapters,
            url: options.unreadUrl,
            timings: this.#timings,
            on: {
                start: () => this.#mark(),
                result: (number, unreadSet) => this.#synced(number, unreadSet),
                signedOut: () => this.#lifecycle.signOut(),
                failure: (error) => this.#fail("sync", error),
            },
        });
        this.#lifecycle = new Lifecycle({
            adapters: this.#adapters,
            url: socketUrl(options.updatesUrl, this.#adapters.document),
            timings: this.#timings,
            sync: this.#sync,
            on: {
                state: (change) => this.#stateChanged(change),
                hello: (payload) => this.#hello(payload),
                frame: (frame) => this.#receive(frame),
                otherUser: () => this.#switchUser(""),
            },
        });
        this.#topics = new Topics({
            send: (frame) => this.#lifecycle.send(frame),
            call: (fn, value) => this.#call(fn, value),
        });
        const lifecycle = this.#lifecycle;
        this.#page = new Page({
            adapters: this.#adapters,
            on: {
                suspend: () => lifecycle.suspend(),
                resume: () => lifecycle.resume(),
                wake: () => lifecycle.wake(),
                shown: () => lifecycle.shown(),
            },
        });
    }

    get state() {
        return this.#lifecycle.state;
    }

    /** How messages come in at present: "websocket", "polling" or "none". */
    get transport() {
        if (this.#lifecycle.asleep) {
            return "none";
        }
        return this.state === "live" ? "websocket" : "polling";
    }

    /** The code with which the server closed the latest socket, where that explains the state; else `null`. */
    get closeCode() {
        return this.#closeCode;
    }

    /** Primary key of the user as text; empty while unknown. */
    get user() {
        return this.#user;
    }

    /** How often the inbox is asked while there is no socket, in milliseconds. */
    get pollMs() {
        return this.#timings.pollMs;
    }

    /** Where the pages of the whole inbox are. */
    get messagesUrl() {
        return this.#options.messagesUrl;
    }

    /** `{count, more, messages}`: the newest unread messages, newest first, and how many there are in all. */
    get unread() {
        const { count, more, messages } = this.#mailbox;
        return { count, more, messages };
    }

    /** The running tasks. */
    get tasks() {
        return this.#tasks.list;
    }

    start() {
        this.#page.watch();
        this.#lifecycle.start();
    }

    stop() {
        this.#lifecycle.stop();
        this.#page.unwatch();
        for (const controller of this.#posts) {
            controller.abort();
        }
    }

    /** Ask the inbox now. Resolves to whether it answered. */
    async sync() {
        return this.#lifecycle.asleep ? false : this.#sync.refresh();
    }

    /**
     * Mark messages as read: at once here, then at the server. Resolves to whether the server took it; where it didn't, they are
     * unread again and there is an `error` event.
     */
    async markRead(what) {
        const ids = what?.all === true ? "all" : toIds(Array.isArray(what) ? what : [what]);
        if (ids.length === 0) {
            return true;
        }
        const user = this.#user;
        const expected = this.#mailbox.expectRead(ids);
        this.#announceRead(ids === "all" ? { all: true, ids: expected.read } : { all: false, ids: expected.read });
        try {
            const answer = await this.#post(ids === "all" ? { all: true } : { ids });
            expected.settle();
            if (answer?.count !== this.#mailbox.count) {
                this.#isStale = true;
            }
            this.#refreshStale();
            return true;
        } catch (error) {
            if (user === this.#user) {
                expected.undo();
                this.#emit("unread", this.unread);
            } else {
                expected.settle();
            }
            this.#isStale = true;
            this.#refreshStale();
            this.#fail("read", error);
            if (error.status === 401) {
                this.#lifecycle.signOut();
            }
            return false;
        }
    }

    /**
     * Follow a topic: `fn({event, payload, topic})`. Returns a function that ends it. Topics come over the socket only.
     */
    subscribe(topic, fn) {
        return this.#topics.subscribe(topic, fn);
    }

    /** Publish into a topic, at most once. Returns whether there was a socket to send it on. */
    publish(topic, event, payload = null) {
        return this.#topics.publish(topic, event, payload);
    }

    /** Call `fn(detail)` at each event of this type. Returns a function that ends it, as does `signal`. */
    on(type, fn, { signal } = {}) {
        const listener = (event) => this.#call(fn, event.detail);
        this.addEventListener(type, listener, { signal });
        return () => this.removeEventListener(type, listener);
    }

    #stateChanged(change) {
        this.#closeCode = change.state === "live" ? null : (change.code ?? this.#closeCode);
        if (change.code === CLOSE.OLD_DIALECT) {
            this.#fail("socket", new Error("The server no longer speaks this page's dialect. Reload the page."), change.code);
        }
        this.#emit("state", change);
    }

    #hello(payload) {
        for (const [name, value] of [
            ["pingMs", payload.ping_ms],
            ["pollMs", payload.poll_ms],
            ["syncMs", payload.sync_ms],
        ]) {
            if (Number.isFinite(value) && value > 0) {
                this.#timings[name] = value;
            }
        }
        this.#meet(payload.user);
        this.#topics.resume();
    }

    #receive(frame) {
        switch (frame.event) {
            case EVENTS.NEW_MESSAGE:
                this.#pushed(frame);
                break;
            case EVENTS.MESSAGE_READ:
                this.#readElsewhere(frame.payload ?? {});
                break;
            case EVENTS.TASK_PROGRESS:
                this.#progressed(frame.payload);
                break;
            case EVENTS.SUBSCRIBED:
            case EVENTS.UNSUBSCRIBED:
            case EVENTS.REFUSED: {
                const refused = this.#topics.answer(frame);
                if (refused !== null) {
                    this.#fail("topic", new Error(`Topic ${refused}: ${frame.payload?.reason ?? "refused"}`));
                }
                break;
            }
            default: {
                const detail = { event: frame.event, payload: frame.payload, topic: frame.topic ?? null };
                this.#topics.deliver(detail);
                this.#emit("event", detail);
            }
        }
    }

    #pushed(frame) {
        const message = toMessage(frame.payload?.message);
        if (!message) {
            this.#sync.refresh(); // somebody else's frame (CATMAID's own code sends some): the inbox has the rest
        } else if (this.#mailbox.add(message)) {
            this.#emit("message", { message, backlog: false, via: "push" });
            this.#emit("unread", this.unread);
        }
    }

    #readElsewhere(payload) {
        const all = payload.all === true;
        const { read, sure } = all
            ? { read: this.#mailbox.markAllRead(), sure: false }
            : this.#mailbox.markRead(toIds(payload.ids), payload.count);
        if (all || read.length > 0) {
            this.#announceRead({ all, ids: read });
        }
        if (!sure) {
            this.#isStale = true;
            this.#refreshStale();
        }
    }

    #announceRead(detail) {
        this.#emit("read", detail);
        this.#emit("unread", this.unread);
    }

    #progressed(raw) {
        const task = toTask(raw);
        if (task && this.#tasks.update(task)) {
            this.#emit("progress", task);
            this.#emit("tasks", this.tasks);
        }
    }

    #mark() {
        this.#marks = { mailbox: this.#mailbox.mark(), tasks: this.#tasks.mark() };
    }

    #synced(number, unreadSet) {
        if (this.#meet(unreadSet.user)) {
            // The socket is still the former user's. A new one shows who it is now; this answer may be used already.
            this.#lifecycle.reconnect();
        }
        const marks = this.#marks;
        const applied = this.#mailbox.apply(unreadSet, marks.mailbox);
        if (!applied) {
            this.#isStale = true;
            this.#refreshStale();
            return;
        }
        const isFirst = this.#isFirstSync;
        this.#isFirstSync = false;
        const { news, changed } = this.#tasks.apply(unreadSet.tasks, marks.tasks);
        this.#lifecycle.synced(number);
        if (applied.read.length > 0) {
            this.#emit("read", { all: false, ids: applied.read });
        }
        for (const { message, backlog } of applied.fresh) {
            this.#emit("message", { message, backlog: backlog || isFirst, via: "sync" });
        }
        this.#emit("unread", this.unread);
        for (const task of news) {
            this.#emit("progress", task);
        }
        if (changed) {
            this.#emit("tasks", this.tasks);
        }
        this.#emit("sync", { ok: true });
    }

    /** Take note of who the server says is signed in; return whether it is somebody else than before. */
    #meet(user) {
        if (typeof user !== "string" || user === "" || user === this.#user) {
            return false;
        }
        if (this.#user === "") {
            this.#user = user;
            this.#emit("user", { user, previous: "" });
            return false;
        }
        this.#switchUser(user);
        return true;
    }

    #switchUser(user) {
        const previous = this.#user;
        this.#user = user;
        this.#mailbox.clear();
        this.#tasks.clear();
        this.#sync.forget();
        this.#isFirstSync = true;
        this.#mark();
        this.#emit("user", { user, previous });
        this.#emit("unread", this.unread);
        this.#emit("tasks", this.tasks);
    }

    #refreshStale() {
        if (this.#isStale && !this.#mailbox.pending && !this.#lifecycle.asleep) {
            this.#isStale = false;
            this.#sync.refresh();
        }
    }

    async #post(body) {
        const controller = new AbortController();
        const timeout = new Timer(this.#adapters, () => controller.abort());
        this.#posts.add(controller);
        timeout.start(this.#timings.requestTimeoutMs);
        try {
            const response = await this.#adapters.fetch(this.#options.readUrl, {
                method: "POST",
                headers: {
                    "Accept": "application/json",
                    "Content-Type": "application/json",
                    "X-CSRFToken": csrfToken(this.#options, this.#adapters.document),
                },
                body: JSON.stringify(body),
                credentials: "same-origin",
                keepalive: true, // the click that reads a message may also leave the page
                signal: controller.signal,
            });
            if (!response.ok) {
                const error = new Error(`Marking as read was answered with status ${response.status}.`);
                error.status = response.status;
                throw error;
            }
            return await response.json();
        } finally {
            timeout.stop();
            this.#posts.delete(controller);
        }
    }

    #fail(kind, error, code = null) {
        this.#adapters.logger?.debug(`catmaid_notify ${kind}`, error);
        this.#emit("error", { kind, error, status: error.status ?? null, code });
        if (kind === "sync") {
            this.#emit("sync", { ok: false });
        }
    }

    #emit(type, detail) {
        this.#adapters.logger?.debug(`catmaid_notify ${type}`, detail);
        this.dispatchEvent(new CustomEvent(type, { detail }));
    }

    #call(fn, value) {
        try {
            fn(value);
        } catch (error) {
            this.#adapters.reportError(error);
        }
    }
}

/** Return the `ws` or `wss` URL that belongs to `url`, which may be a mere path. */
function socketUrl(url, document) {
    const resolved = new URL(url, document?.baseURI);
    resolved.protocol = resolved.protocol.replace(/^http/, "ws");
    resolved.hash = "";
    return resolved.href;
}
