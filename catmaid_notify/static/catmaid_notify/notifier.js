import { browserAdapters } from "./adapters.js";
import { INTERVALS } from "./backoff.js";
import { makeLifecycle } from "./lifecycle.js";
import { makeMailbox } from "./mailbox.js";
import { makeOnDemand } from "./ondemand.js";
import { watchPage } from "./page.js";
import {
    MESSAGE_READ,
    NEW_MESSAGE,
    OLD_DIALECT,
    PUBLISH,
    REFUSED,
    SUBSCRIBE,
    TASK_PROGRESS,
    UNSUBSCRIBE,
} from "./protocol.js";
import { makeRequests } from "./request.js";
import { toIds, toMessage } from "./shapes.js";
import { makeSync } from "./sync.js";

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
    const requests = makeRequests(adapters);
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
        on: {
            state: changed,
            user: () => user,
            hello,
            frame: receive,
            otherUser: () => switchUser(""),
            shared,
        },
    });
    const { tabs } = lifecycle;
    const topics = makeOnDemand(async () => {
        const { makeTopics } = await adapters.importTopics();
        return makeTopics({
            notifier,
            lifecycle,
            events: { SUBSCRIBE, UNSUBSCRIBE, REFUSED },
            url: topicsUrl,
            request: requests.request,
            receive,
            fail,
            call,
        });
    }, unloaded);
    const tasks = makeOnDemand(async () => (await adapters.importTasks()).makeTasks(emit), unloaded);
    const seen = new Set(); // ids of messages that were shown; for the life of the page, whoever is signed in
    let mailbox = makeMailbox(sync, seen);
    let unwatch = null;
    let closeCode = null;

    // What comes in

    function changed(change) {
        closeCode = lifecycle.isGood() ? null : (change.code ?? closeCode);
        if (change.code === OLD_DIALECT) {
            fail("socket", new Error("Reload the page."), change.code);
        }
        emit("state", change);
    }

    function hello(payload) {
        for (const name of ["ping", "poll", "sync"]) {
            const valueMs = payload[`${name}_ms`];
            if (valueMs > 0) {
                intervals[`${name}Ms`] = valueMs;
            }
        }
        meet(payload.user);
        topics.part?.resume();
    }

    function receive({ event, payload, topic = null, sender = null, version, ref }) {
        const detail = { event, payload, topic, sender };
        const { started } = sync; // now, not when the module of tasks is loaded
        switch (event) {
            case NEW_MESSAGE:
                pushed(toMessage(payload?.message));
                break;
            case MESSAGE_READ:
                wereRead(payload?.all ? undefined : toIds(payload?.ids));
                break;
            case TASK_PROGRESS:
                // Each of many reports would be a further try; the next unread set has what is running.
                if (!tasks.hasFailed) {
                    tasks.use((part) => part.push(payload, started));
                }
                break;
            case REFUSED:
                topics.use((part) => part.refuse(detail, ref));
                break;
            default: {
                const isAnswer = ref !== undefined;
                if (!isAnswer && (topics.part?.deliver(detail, version) ?? true)) {
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
            sync.refresh();
        }
    }

    function synced(unreadSet) {
        meet(unreadSet.user);
        const applied = mailbox.apply(unreadSet);
        if (!applied) {
            sync.refresh();
            return;
        }
        const { fresh, gone } = applied;
        const { tasks: running } = unreadSet;
        const { started } = sync;
        lifecycle.synced();
        if (gone.length > 0) {
            emit("read", { all: false, ids: gone });
        }
        fresh.forEach((detail) => emit("message", { ...detail, via: "sync" }));
        emit("unread", mailbox.unread);
        tasks.use((part) => part.apply(running, started), running.length > 0);
        emit("sync", { ok: true });
    }

    /** Take note of who the server says is signed in. */
    function meet(name) {
        const isKnown = user !== "";
        if (name && name !== user) {
            switchUser(name);
            if (isKnown) {
                // The socket is still the former user's. A new one shows who it is now; this answer may be used already.
                lifecycle.part();
            } else {
                lifecycle.enter();
            }
        }
    }

    function switchUser(name) {
        const previous = user;
        user = name;
        mailbox = makeMailbox(sync, seen);
        tasks.forget();
        sync.forget();
        emit("user", { user, previous });
        emit("unread", mailbox.unread);
        emit("tasks", []);
    }

    // What goes out

    /** Another tab sends over this one's socket `connection`, or, without a frame, is gone. */
    function shared(frame, tab, connection) {
        if (frame?.event === PUBLISH && !topics.isLoading) {
            connection.send(frame);
        } else {
            topics.use((part) => part.share(frame, tab, connection), Boolean(frame));
        }
    }

    /** The cookie comes first: unlike what the page was rendered with, it follows a login in another tab. */
    function token() {
        return `; ${document?.cookie}`.split(`; ${csrfCookie}=`)[1]?.split(";")[0] ?? csrfToken;
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

    /** A part of the client could not be loaded. It is tried again after the next request for the inbox. */
    function unloaded(error, retry) {
        fail("module", error);
        notifier.addEventListener("sync", retry, { once: true });
        sync.soon(intervals.pollMs);
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

    const notifier = new (class extends EventTarget {
        messagesUrl = messagesUrl;

        /** What this tab's own changes have as `sender`, where the page hands it on. */
        id = tabs.id;

        get state() {
            return lifecycle.state;
        }

        /** How messages come in at present: "websocket" (also where another tab has it), "polling" or "none". */
        get transport() {
            return lifecycle.isGood() ? "websocket" : lifecycle.isAsleep() ? "none" : "polling";
        }

        /** The code with which the server closed the latest socket, where that explains the state; else `null`. */
        get closeCode() {
            return closeCode;
        }

        /** Primary key of the user as text; empty while unknown. */
        get user() {
            return user;
        }

        /** `{count, more, messages}`: the newest unread messages, newest first, and how many there are in all. */
        get unread() {
            return mailbox.unread;
        }

        /** The running tasks. */
        get tasks() {
            return tasks.part?.list ?? [];
        }

        start() {
            unwatch ??= watchPage(adapters, lifecycle);
            lifecycle.start();
        }

        stop() {
            lifecycle.stop();
            unwatch?.();
            unwatch = null;
            requests.abort();
        }

        /** Ask the inbox now. Resolves to whether it answered. */
        sync = sync.refresh;

        /** Mark messages as read, here and in the user's other tabs. Resolves to whether the server took it. */
        async markRead(what) {
            const payload = what?.all ? { all: true } : { ids: toIds([what].flat()) };
            const reader = user;
            try {
                if (payload.all || payload.ids.length > 0) {
                    await requests.request(options.readUrl, {
                        method: "POST",
                        headers: { "Content-Type": "application/json", "X-CSRFToken": token() },
                        body: JSON.stringify(payload),
                        keepalive: true, // the click that reads a message may also leave the page
                    });
                    if (reader === user) {
                        const frame = { event: MESSAGE_READ, payload };
                        receive(frame);
                        tabs.share(frame);
                    }
                }
                return true;
            } catch (error) {
                fail("read", error);
                sync.refresh(); // the server may have taken it all the same
                return false;
            }
        }

        /** Follow a topic: `fn({event, payload, topic, sender})`; the event `refused` says that it may not (any more). */
        subscribe(topic, fn) {
            let hasEnded = false;
            let end;
            topics.use((part) => {
                if (!hasEnded) {
                    end = part.subscribe(topic, fn);
                }
            });
            return () => {
                hasEnded = true;
                end?.();
            };
        }

        /** Publish into a topic, at most once. Returns whether there was a socket to send it on. */
        publish(topic, event, payload = null) {
            const frame = { event: PUBLISH, topic, ref: tabs.id, payload: { event, payload, sender: tabs.id } };
            if (topics.isLoading && lifecycle.isGood()) {
                topics.use(() => lifecycle.send(frame)); // after what was followed before
                return true;
            }
            return lifecycle.send(frame);
        }

        /** Call `fn(detail)` at each event of this type. Returns a function that ends it, as does `signal`. */
        on(type, fn, options) {
            const listener = ({ detail }) => call(fn, detail);
            notifier.addEventListener(type, listener, options);
            return () => notifier.removeEventListener(type, listener);
        }
    })();
    return notifier;
}
