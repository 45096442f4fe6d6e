/** The notifier: public API and event dispatch. It connects pushes, polls, and the parts that are loaded lazily. */

import { MESSAGE_READ, NEW_MESSAGE, OLD_DIALECT, PUBLISH, REFUSED, SUBSCRIBE, TASK_PROGRESS, UNSUBSCRIBE } from "../protocol.js";
import { browserAdapters } from "./adapters.js";
import { INTERVALS } from "./backoff.js";
import { makeLazy } from "./lazy.js";
import { makeLifecycle } from "./lifecycle.js";
import { watchPageEvents } from "./page_events.js";
import { makeRequests } from "./request.js";
import { makeSync } from "./sync.js";
import { makeUnreadStore } from "./unread.js";
import { parseIds, parseMessage } from "./validate.js";

/**
 * Return a notifier: an `EventTarget` that keeps the signed-in user's inbox up to date, by pushes, or by polls without a socket.
 * It is idle until `start()`.
 *
 * A push is a hint; the unread set on the server is the truth. The client fetches it whenever it may have missed a push.
 *
 * @param {object} options
 * @param {string} options.unreadUrl  URL of the unread set
 * @param {string} options.readUrl    URL that marks messages as read
 * @param {string} options.updatesUrl  URL of the WebSocket: a path, `http(s)` or `ws(s)`; resolved against the page
 * @param {string} [options.messagesUrl=""]  URL of the pages of the whole inbox
 * @param {string} [options.topicsUrl=""]  URL of the last values of topics; without it, they come over the socket only
 * @param {string} [options.user=""]  key of the user that the page was rendered for; empty: the server says it
 * @param {string} [options.csrfCookie="csrftoken"]  name of Django's CSRF cookie
 * @param {string} [options.csrfToken=""]  CSRF token, for sites whose cookie scripts can't read
 * @param {object} [options.intervals]  replacements for some of `INTERVALS` (backoff.js), until the server announces its own
 * @param {object} [options.adapters]  replacements for some of `browserAdapters()` (adapters.js)
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
        on: { result: onUnreadSet, failure: (error) => fail("sync", error) },
    });
    const lifecycle = makeLifecycle({
        adapters,
        intervals,
        sync,
        url: new URL(options.updatesUrl, document?.baseURI).href.replace(/^http/, "ws"),
        on: {
            state: onState,
            user: () => user,
            hello: onHello,
            frame: receive,
            otherUser: () => switchUser(""),
            shared: onTabFrame,
        },
    });
    const { election } = lifecycle;
    const topics = makeLazy(async () => {
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
    }, onLoadFailure);
    const tasks = makeLazy(async () => (await adapters.importTasks()).makeTasks(emit), onLoadFailure);
    const seen = new Set(); // ids of shown messages; kept when another user signs in
    let store = makeUnreadStore(sync, seen);
    let unwatch = null;
    let closeCode = null;

    // Incoming: pushes, unread sets, state changes

    function onState(change) {
        closeCode = lifecycle.hasPush() ? null : (change.code ?? closeCode);
        if (change.code === OLD_DIALECT) {
            fail("socket", new Error("Reload the page."), change.code);
        }
        emit("state", change);
    }

    function onHello(payload) {
        for (const name of ["ping", "poll", "sync"]) {
            const valueMs = payload[`${name}_ms`];
            if (valueMs > 0) {
                intervals[`${name}Ms`] = valueMs;
            }
        }
        checkUser(payload.user);
        topics.part?.resume();
    }

    function receive({ event, payload, topic = null, sender = null, version, ref }) {
        const detail = { event, payload, topic, sender };
        const { started } = sync; // read now: `tasks.use()` may call back later
        switch (event) {
            case NEW_MESSAGE:
                onMessage(parseMessage(payload?.message));
                break;
            case MESSAGE_READ:
                onRead(payload?.all ? undefined : parseIds(payload?.ids));
                break;
            case TASK_PROGRESS:
                // After a failure don't try to load at each report: the next unread set lists the running tasks.
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

    function onMessage(message) {
        if (!message) {
            sync.refresh(); // a frame without the message, as CATMAID's own code sends it
        } else if (store.add(message)) {
            emit("message", { message, backlog: false, via: "push" });
            emit("unread", store.unread);
        }
    }

    function onRead(ids) {
        const { gone, isSure } = store.markRead(ids);
        if (!ids || gone.length > 0) {
            emit("read", { all: !ids, ids: gone });
            emit("unread", store.unread);
        }
        if (!isSure) {
            sync.refresh();
        }
    }

    function onUnreadSet(unreadSet) {
        checkUser(unreadSet.user);
        const applied = store.apply(unreadSet);
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
        emit("unread", store.unread);
        tasks.use((part) => part.apply(running, started), running.length > 0);
        emit("sync", { ok: true });
    }

    /** Switch to the user that the server says is signed in. */
    function checkUser(name) {
        const isKnown = user !== "";
        if (name && name !== user) {
            switchUser(name);
            if (isKnown) {
                // The open socket belongs to the previous user, and this answer may be outdated: a new socket's hello decides.
                lifecycle.leave();
            } else {
                lifecycle.enter();
            }
        }
    }

    function switchUser(name) {
        const previous = user;
        user = name;
        store = makeUnreadStore(sync, seen);
        tasks.forget();
        sync.forget();
        emit("user", { user, previous });
        emit("unread", store.unread);
        emit("tasks", []);
    }

    // Outgoing: frames and requests

    /** Send another tab's frame over this tab's socket `connection`; without a frame, drop that tab's subscriptions. */
    function onTabFrame(frame, tab, connection) {
        if (frame?.event === PUBLISH && !topics.isLoading) {
            connection.send(frame);
        } else {
            topics.use((part) => part.share(frame, tab, connection), Boolean(frame));
        }
    }

    /** Return the CSRF token. The cookie has priority: a login in another tab changes it, but not this page's token. */
    function readCsrfToken() {
        return `; ${document?.cookie}`.split(`; ${csrfCookie}=`)[1]?.split(";")[0] ?? csrfToken;
    }

    function fail(kind, error, code = null) {
        const { status = null } = error;
        const isSync = kind === "sync";
        if (status === 401) {
            lifecycle.signOut();
            if (isSync) {
                return; // a valid answer: no session
            }
        }
        emit("error", { kind, error, status, code });
        if (isSync) {
            emit("sync", { ok: false });
        }
    }

    /** Report a part that can't be loaded, and try again after the next request for the unread set. */
    function onLoadFailure(error, retry) {
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

        /** Id of this tab, for the `sender` of changes that the page saves. */
        id = election.id;

        get state() {
            return lifecycle.state;
        }

        /** Current transport: "websocket" (of this tab or another one), "polling" or "none". */
        get transport() {
            return lifecycle.hasPush() ? "websocket" : lifecycle.isAsleep() ? "none" : "polling";
        }

        /** Close code of the latest socket if it explains the state, else `null`. */
        get closeCode() {
            return closeCode;
        }

        /** Primary key of the user as text, empty while unknown. */
        get user() {
            return user;
        }

        /** `{count, more, messages}`: the number of unread messages, and the newest ones, newest first. */
        get unread() {
            return store.unread;
        }

        /** The running tasks. */
        get tasks() {
            return tasks.part?.list ?? [];
        }

        start() {
            unwatch ??= watchPageEvents(adapters, lifecycle);
            lifecycle.start();
        }

        stop() {
            lifecycle.stop();
            unwatch?.();
            unwatch = null;
            requests.abort();
        }

        /** Fetch the unread set now. Resolves to whether that succeeded. */
        sync = sync.refresh;

        /** Mark messages as read, on the server and in the user's other tabs. Resolves to whether that succeeded. */
        async markRead(what) {
            const payload = what?.all ? { all: true } : { ids: parseIds([what].flat()) };
            const reader = user;
            try {
                if (payload.all || payload.ids.length > 0) {
                    await requests.request(options.readUrl, {
                        method: "POST",
                        headers: { "Content-Type": "application/json", "X-CSRFToken": readCsrfToken() },
                        body: JSON.stringify(payload),
                        keepalive: true, // a click on a message's link also leaves the page
                    });
                    if (reader === user) {
                        const frame = { event: MESSAGE_READ, payload };
                        receive(frame);
                        election.share(frame);
                    }
                }
                return true;
            } catch (error) {
                fail("read", error);
                sync.refresh(); // the request may have had its effect all the same
                return false;
            }
        }

        /** Subscribe `fn({event, payload, topic, sender})`; the event `refused` ends it. Returns a function that unsubscribes. */
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

        /** Publish to a topic, at most once. Returns whether a socket took the frame. */
        publish(topic, event, payload = null) {
            const frame = { event: PUBLISH, topic, ref: election.id, payload: { event, payload, sender: election.id } };
            if (topics.isLoading && lifecycle.hasPush()) {
                topics.use(() => lifecycle.send(frame)); // keeps the order of subscribe() and publish()
                return true;
            }
            return lifecycle.send(frame);
        }

        /** Call `fn(detail)` at each event of this type. The returned function removes the listener, as does `signal`. */
        on(type, fn, options) {
            const listener = ({ detail }) => call(fn, detail);
            notifier.addEventListener(type, listener, options);
            return () => notifier.removeEventListener(type, listener);
        }
    })();
    return notifier;
}
