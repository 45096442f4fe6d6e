import { browserAdapters } from "./adapters.js";
import { INTERVALS } from "./backoff.js";
import { makeLifecycle } from "./lifecycle.js";
import { makeMailbox } from "./mailbox.js";
import { watchPage } from "./page.js";
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
import { makeSync } from "./sync.js";
import { makeTasks } from "./tasks.js";
import { makeTopics } from "./topics.js";

/**
 * Return a notifier, an `EventTarget`: the inbox of who is signed in, kept up to date by pushes and, where there is no socket,
 * by polling. Does nothing before `start()`.
 *
 * The socket is a hint, the unread set is the truth: whatever may have been missed is asked for.
 *
 * @param {object} options
 * @param {string} options.unreadUrl  where the unread set is
 * @param {string} options.readUrl    where messages are marked as read
 * @param {string} options.updatesUrl  the WebSocket, as a path, `http(s)` or `ws(s)` URL; resolved against the page
 * @param {string} [options.messagesUrl=""]  where the pages of the whole inbox are
 * @param {string} [options.topicsUrl=""]  where the last values of topics are; without it, they come over the socket only
 * @param {string} [options.user=""]  who the page was rendered for; empty: whoever the server says
 * @param {string} [options.csrfCookie="csrftoken"]  name of Django's CSRF cookie
 * @param {string} [options.csrfToken=""]  where scripts can't read that cookie
 * @param {object} [options.intervals]  replaces some of `INTERVALS` (backoff.js), until the server says
 * @param {object} [options.adapters]  replaces some of `browserAdapters()` (adapters.js)
 */
export function createNotifier({ messagesUrl = "", topicsUrl, user = "", csrfCookie = "csrftoken", csrfToken = "", ...options }) {
    const adapters = { ...browserAdapters(), ...options.adapters };
    const { document, reportError } = adapters;
    const intervals = { ...INTERVALS, ...options.intervals };
    const requests = new Set(); // AbortControllers of those that are under way
    const sync = makeSync({
        adapters,
        intervals,
        url: options.unreadUrl,
        on: { result: synced, failure: (error) => fail("sync", error) },
    });
    const lifecycle = makeLifecycle({
        adapters,
        intervals,
        sync,
        url: new URL(options.updatesUrl, document?.baseURI).href.replace(/^http/, "ws"),
        on: { state: changed, user: () => user, hello, frame: receive, otherUser: () => switchUser("") },
    });
    const { tabs } = lifecycle;
    const mailbox = makeMailbox(() => sync.started);
    const tasks = makeTasks(() => sync.started);
    const topics = makeTopics({ send: lifecycle.send, call, unsent: fetchValues, id: tabs.id });
    let unwatch = null;
    let isFirstSync = true;
    let closeCode = null;

    const notifier = new EventTarget();

    // What comes in

    function changed(change) {
        closeCode = lifecycle.isGood() ? null : (change.code ?? closeCode);
        if (change.code === OLD_DIALECT) {
            fail("socket", new Error("The server has another dialect; reload the page."), change.code);
        }
        emit("state", change);
    }

    function hello({ user: name, ping_ms: pingMs, poll_ms: pollMs, sync_ms: syncMs }) {
        for (const [key, valueMs] of Object.entries({ pingMs, pollMs, syncMs })) {
            if (valueMs > 0) {
                intervals[key] = valueMs;
            }
        }
        if (meet(name)) {
            lifecycle.part();
        }
        topics.resume();
    }

    function receive({ event, payload, topic = null, sender = null, version, ref }) {
        switch (event) {
            case NEW_MESSAGE:
                pushed(toMessage(payload?.message));
                break;
            case MESSAGE_READ:
                wereRead(payload?.all ? undefined : toIds(payload?.ids));
                break;
            case TASK_PROGRESS:
                progressed(toTask(payload));
                break;
            case SUBSCRIBED:
            case UNSUBSCRIBED:
            case REFUSED: {
                const refused = topics.answer({ event, ref, topic, payload });
                if (refused) {
                    fail("topic", new Error(`Topic ${refused}: ${payload?.reason ?? event}`));
                }
                break;
            }
            default: {
                const detail = { event, payload, topic, sender };
                if (topics.deliver({ ...detail, version })) {
                    emit("event", detail);
                }
            }
        }
    }

    function pushed(message) {
        if (!message) {
            sync.refresh(); // somebody else's frame (CATMAID's own code sends some): the inbox has the rest
        } else if (mailbox.add(message)) {
            emit("message", { message, backlog: false, via: "push" });
            emit("unread", mailbox.unread);
        }
    }

    function wereRead(ids) {
        const { gone, isSure } = mailbox.markRead(ids);
        if (!ids || gone.length > 0) {
            emit("read", { all: !ids, ids: gone });
            emit("unread", mailbox.unread);
        }
        if (!isSure) {
            ask();
        }
    }

    function progressed(task) {
        if (task && tasks.update(task)) {
            emit("progress", task);
            emit("tasks", tasks.list);
        }
    }

    function synced(unreadSet) {
        if (meet(unreadSet.user)) {
            // The socket is still the former user's. A new one shows who it is now; this answer may be used already.
            lifecycle.part();
        }
        const applied = mailbox.apply(unreadSet);
        if (!applied) {
            sync.refresh();
            return;
        }
        const { fresh, gone } = applied;
        const isFirst = isFirstSync;
        const { news, changed: isChanged } = tasks.apply(unreadSet.tasks);
        isFirstSync = false;
        lifecycle.synced();
        if (gone.length > 0) {
            emit("read", { all: false, ids: gone });
        }
        for (const { message, backlog } of fresh) {
            emit("message", { message, backlog: backlog || isFirst, via: "sync" });
        }
        emit("unread", mailbox.unread);
        for (const task of news) {
            emit("progress", task);
        }
        if (isChanged) {
            emit("tasks", tasks.list);
        }
        emit("sync", { ok: true });
        fetchValues();
    }

    /** Take note of who the server says is signed in; return whether it is somebody else than before. */
    function meet(name) {
        const previous = user;
        if (!name || name === previous) {
            return false;
        }
        if (previous) {
            switchUser(name);
            return true;
        }
        user = name;
        emit("user", { user, previous });
        lifecycle.enter();
        return false;
    }

    function switchUser(name) {
        const previous = user;
        user = name;
        mailbox.clear();
        tasks.clear();
        topics.clear();
        sync.forget();
        isFirstSync = true;
        emit("user", { user, previous });
        emit("unread", mailbox.unread);
        emit("tasks", tasks.list);
    }

    // What goes out

    /** Ask for the last values of topics, while no socket brings them. The browser knows their ETag. */
    async function fetchValues() {
        const names = topics.names();
        if (!topicsUrl || !names.length || !["waiting", "polling"].includes(lifecycle.state)) {
            return;
        }
        try {
            const query = new URLSearchParams(names.map((name) => ["topic", name]));
            const { values, refused } = await answerOf(`${topicsUrl}?${query}`);
            values.forEach(receive);
            refused.forEach((topic) => receive({ event: REFUSED, topic }));
        } catch (error) {
            fail("topic", error);
        }
    }

    async function ask() {
        return !lifecycle.isAsleep() && sync.refresh();
    }

    function post(body) {
        return answerOf(options.readUrl, {
            method: "POST",
            headers: { "Content-Type": "application/json", "X-CSRFToken": token() },
            body: JSON.stringify(body),
            keepalive: true, // the click that reads a message may also leave the page
        });
    }

    async function answerOf(url, init) {
        const controller = new AbortController();
        requests.add(controller);
        try {
            return (await request({ adapters, url, controller, ...init })).body;
        } finally {
            requests.delete(controller);
        }
    }

    /** The cookie comes first: unlike what the page was rendered with, it follows a login in another tab. */
    function token() {
        const cookies = (document?.cookie ?? "").split("; ");
        const cookie = cookies.find((one) => one.startsWith(`${csrfCookie}=`));
        return cookie ? decodeURIComponent(cookie.slice(csrfCookie.length + 1)) : csrfToken;
    }

    function fail(kind, error, code = null) {
        const { status = null } = error;
        const isSync = kind === "sync";
        if (status === 401) {
            lifecycle.signOut();
            if (isSync) {
                return; // that is an answer
            }
        }
        emit("error", { kind, error, status, code });
        if (isSync) {
            emit("sync", { ok: false });
        }
    }

    function emit(type, detail) {
        adapters.logger?.debug(type, detail);
        notifier.dispatchEvent(new CustomEvent(type, { detail }));
    }

    function call(fn, value) {
        try {
            fn(value);
        } catch (error) {
            reportError(error);
        }
    }

    const api = {
        messagesUrl,

        get state() {
            return lifecycle.state;
        },

        /** How messages come in at present: "websocket" (also where another tab has it), "polling" or "none". */
        get transport() {
            return lifecycle.isGood() ? "websocket" : lifecycle.isAsleep() ? "none" : "polling";
        },

        /** The code with which the server closed the latest socket, where that explains the state; else `null`. */
        get closeCode() {
            return closeCode;
        },

        /** Primary key of the user as text; empty while unknown. */
        get user() {
            return user;
        },

        /** `{count, more, messages}`: the newest unread messages, newest first, and how many there are in all. */
        get unread() {
            return mailbox.unread;
        },

        /** The running tasks. */
        get tasks() {
            return tasks.list;
        },

        start() {
            unwatch ??= watchPage(adapters, lifecycle);
            lifecycle.start();
        },

        stop() {
            lifecycle.stop();
            unwatch?.();
            unwatch = null;
            for (const controller of requests) {
                controller.abort();
            }
        },

        /** Ask the inbox now. Resolves to whether it answered. */
        sync: ask,

        /** Mark messages as read, here and in the user's other tabs. Resolves to whether the server took it. */
        async markRead(what) {
            const payload = what?.all === true ? { all: true } : { ids: toIds([what].flat()) };
            const reader = user;
            try {
                if (payload.all || payload.ids.length > 0) {
                    await post(payload);
                    if (reader === user) {
                        const frame = { event: MESSAGE_READ, payload };
                        receive(frame);
                        tabs.share(frame);
                    }
                }
                return true;
            } catch (error) {
                fail("read", error);
                ask(); // the server may have taken it all the same
                return false;
            }
        },

        /** Resolves to whether, of all tabs of this browser that claim `key`, it is this one that gets it. */
        claim: tabs.claim,

        /** What this tab's own changes have as `sender`, where the page hands it on. */
        id: tabs.id,

        /** Follow a topic: `fn({event, payload, topic, sender})`; the event `refused` says that it may not (any more). */
        subscribe: topics.subscribe,

        /** Publish into a topic, at most once. Returns whether there was a socket to send it on. */
        publish: topics.publish,

        /** Call `fn(detail)` at each event of this type. Returns a function that ends it, as does `signal`. */
        on(type, fn, { signal } = {}) {
            const listener = ({ detail }) => call(fn, detail);
            notifier.addEventListener(type, listener, { signal });
            return () => notifier.removeEventListener(type, listener);
        },
    };
    return Object.defineProperties(notifier, Object.getOwnPropertyDescriptors(api));
}
