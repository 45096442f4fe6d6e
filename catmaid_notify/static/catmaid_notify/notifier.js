import { browserAdapters } from "./adapters.js";
import { INTERVALS } from "./backoff.js";
import { Lifecycle } from "./lifecycle.js";
import { Mailbox } from "./mailbox.js";
import { Page } from "./page.js";
import {
    MESSAGE_READ,
    NEW_MESSAGE,
    OLD_DIALECT,
    REFUSED,
    SUBSCRIBED,
    TASK_PROGRESS,
    UNSUBSCRIBED,
} from "./protocol.js";
import { request } from "./request.js";
import { toIds, toMessage, toTask } from "./shapes.js";
import { InboxSync } from "./sync.js";
import { Tasks } from "./tasks.js";
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
 * @param {object} [options.intervals]  replaces some of `INTERVALS` (backoff.js), until the server says
 * @param {object} [options.adapters]  replaces some of `browserAdapters()` (adapters.js)
 */
export function createNotifier(options) {
    return new Notifier(options);
}

/** The socket is a hint, the unread set is the truth: whatever may have been missed is asked for. */
export class Notifier extends EventTarget {
    #adapters;
    #options;
    #intervals;
    #user;
    #mailbox;
    #tasks;
    #topics;
    #sync;
    #lifecycle;
    #page;
    #isFirstSync = true;
    #isStale = false; // a sync is wanted once the server has confirmed what was read
    #posts = new Set(); // AbortControllers of reads that are under way
    #closeCode = null;

    constructor(options) {
        super();
        const adapters = { ...browserAdapters(), ...options.adapters };
        const intervals = { ...INTERVALS, ...options.intervals };
        this.#adapters = adapters;
        this.#intervals = intervals;
        this.#options = options;
        this.#user = options.user ?? "";
        const sync = new InboxSync({
            adapters,
            intervals,
            url: options.unreadUrl,
            on: {
                result: (unreadSet) => this.#synced(unreadSet),
                failure: (error) => this.#fail("sync", error),
            },
        });
        const lifecycle = new Lifecycle({
            adapters,
            intervals,
            sync,
            url: socketUrl(options.updatesUrl, adapters.document),
            on: {
                state: (change) => this.#stateChanged(change),
                user: () => this.#user,
                hello: (payload) => this.#hello(payload),
                frame: (frame) => this.#receive(frame),
                otherUser: () => this.#switchUser(""),
            },
        });
        this.#sync = sync;
        this.#lifecycle = lifecycle;
        this.#mailbox = new Mailbox(() => sync.started);
        this.#tasks = new Tasks(() => sync.started);
        this.#topics = new Topics({
            id: lifecycle.tabs.id,
            send: (frame) => lifecycle.send(frame),
            call: (fn, value) => this.#call(fn, value),
        });
        this.#page = new Page({ adapters, on: lifecycle });
    }

    get state() {
        return this.#lifecycle.state;
    }

    /** How messages come in at present: "websocket" (also where another tab has it), "polling" or "none". */
    get transport() {
        if (this.#lifecycle.asleep) {
            return "none";
        }
        return this.#lifecycle.isGood ? "websocket" : "polling";
    }

    /** The code with which the server closed the latest socket, where that explains the state; else `null`. */
    get closeCode() {
        return this.#closeCode;
    }

    /** Primary key of the user as text; empty while unknown. */
    get user() {
        return this.#user;
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
        const all = what?.all === true;
        const ids = toIds(Array.isArray(what) ? what : [what]);
        if (!all && ids.length === 0) {
            return true;
        }
        const user = this.#user;
        const { read, settle, undo } = this.#mailbox.expectRead(all ? "all" : ids);
        const body = all ? { all } : { ids };
        this.#announceRead({ all, ids: read });
        try {
            const { count } = await this.#post(body);
            settle();
            this.#isStale ||= count !== this.#mailbox.count;
            this.#lifecycle.tabs.share({ event: MESSAGE_READ, payload: body });
            return true;
        } catch (error) {
            if (user === this.#user) {
                undo();
                this.#emit("unread", this.unread);
            } else {
                settle();
            }
            this.#isStale = true;
            this.#fail("read", error);
            return false;
        } finally {
            this.#refreshStale();
        }
    }

    /** Resolves to whether, of all tabs of this browser that claim `key`, it is this one that gets it: a toast is shown once. */
    claim(key) {
        return this.#lifecycle.tabs.claim(key);
    }

    /** Follow a topic: `fn({event, payload, topic})`. Returns a function that ends it. Topics come over the socket only. */
    subscribe(topic, fn) {
        return this.#topics.subscribe(topic, fn);
    }

    /** Publish into a topic, at most once. Returns whether there was a socket to send it on. */
    publish(topic, event, payload = null) {
        return this.#topics.publish(topic, event, payload);
    }

    /** Call `fn(detail)` at each event of this type. Returns a function that ends it, as does `signal`. */
    on(type, fn, { signal } = {}) {
        const listener = ({ detail }) => this.#call(fn, detail);
        this.addEventListener(type, listener, { signal });
        return () => this.removeEventListener(type, listener);
    }

    #stateChanged(change) {
        this.#closeCode = this.#lifecycle.isGood ? null : (change.code ?? this.#closeCode);
        if (change.code === OLD_DIALECT) {
            this.#fail("socket", new Error("The server no longer speaks this page's dialect. Reload the page."), change.code);
        }
        this.#emit("state", change);
    }

    #hello(payload) {
        for (const [name, key] of [
            ["pingMs", "ping_ms"],
            ["pollMs", "poll_ms"],
            ["syncMs", "sync_ms"],
        ]) {
            if (Number.isFinite(payload[key]) && payload[key] > 0) {
                this.#intervals[name] = payload[key];
            }
        }
        if (this.#meet(payload.user)) {
            this.#lifecycle.part();
        }
        this.#topics.resume();
    }

    #receive({ event, payload, topic = null, ref }) {
        switch (event) {
            case NEW_MESSAGE:
                this.#pushed(toMessage(payload?.message));
                break;
            case MESSAGE_READ:
                this.#readElsewhere(payload ?? {});
                break;
            case TASK_PROGRESS:
                this.#progressed(toTask(payload));
                break;
            case SUBSCRIBED:
            case UNSUBSCRIBED:
            case REFUSED: {
                const refused = this.#topics.answer({ event, ref });
                if (refused !== null) {
                    this.#fail("topic", new Error(`Topic ${refused}: ${payload?.reason ?? "refused"}`));
                }
                break;
            }
            default: {
                const detail = { event, payload, topic };
                this.#topics.deliver(detail);
                this.#emit("event", detail);
            }
        }
    }

    #pushed(message) {
        if (!message) {
            this.#sync.refresh(); // somebody else's frame (CATMAID's own code sends some): the inbox has the rest
        } else if (this.#mailbox.add(message)) {
            this.#emit("message", { message, backlog: false, via: "push" });
            this.#emit("unread", this.unread);
        }
    }

    #readElsewhere(payload) {
        const all = payload.all === true;
        const { read, sure } = all ? this.#mailbox.markAllRead() : this.#mailbox.markRead(toIds(payload.ids));
        if (all || read.length > 0) {
            this.#announceRead({ all, ids: read });
        }
        this.#isStale ||= !sure;
        this.#refreshStale();
    }

    #announceRead(detail) {
        this.#emit("read", detail);
        this.#emit("unread", this.unread);
    }

    #progressed(task) {
        if (task && this.#tasks.update(task)) {
            this.#emit("progress", task);
            this.#emit("tasks", this.tasks);
        }
    }

    #synced(unreadSet) {
        if (this.#meet(unreadSet.user)) {
            // The socket is still the former user's. A new one shows who it is now; this answer may be used already.
            this.#lifecycle.part();
        }
        const applied = this.#mailbox.apply(unreadSet);
        if (!applied) {
            this.#isStale = true;
            this.#refreshStale();
            return;
        }
        const isFirst = this.#isFirstSync;
        this.#isFirstSync = false;
        const { news, changed } = this.#tasks.apply(unreadSet.tasks);
        this.#lifecycle.synced();
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
        const previous = this.#user;
        if (typeof user !== "string" || user === "" || user === previous) {
            return false;
        }
        if (previous !== "") {
            this.#switchUser(user);
            return true;
        }
        this.#user = user;
        this.#emit("user", { user, previous });
        this.#lifecycle.enter();
        return false;
    }

    #switchUser(user) {
        const previous = this.#user;
        this.#user = user;
        this.#mailbox.clear();
        this.#tasks.clear();
        this.#sync.forget();
        this.#isFirstSync = true;
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
        this.#posts.add(controller);
        try {
            const answer = await request({
                adapters: this.#adapters,
                url: this.#options.readUrl,
                controller,
                method: "POST",
                headers: { "Content-Type": "application/json", "X-CSRFToken": this.#csrfToken() },
                body: JSON.stringify(body),
                keepalive: true, // the click that reads a message may also leave the page
            });
            return answer.body ?? {};
        } finally {
            this.#posts.delete(controller);
        }
    }

    /** The cookie comes first: unlike what the page was rendered with, it follows a login in another tab. */
    #csrfToken() {
        const { csrfCookie = "csrftoken", csrfToken = "" } = this.#options;
        const cookies = (this.#adapters.document?.cookie ?? "").split("; ");
        const cookie = cookies.find((one) => one.startsWith(`${csrfCookie}=`));
        return cookie ? decodeURIComponent(cookie.slice(csrfCookie.length + 1)) : csrfToken;
    }

    #fail(kind, error, code = null) {
        const { status = null } = error;
        if (status === 401) {
            this.#lifecycle.signOut();
            if (kind === "sync") {
                return; // that is an answer
            }
        }
        this.#emit("error", { kind, error, status, code });
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
