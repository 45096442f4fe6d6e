import { browserAdapters } from "./adapters.js";
import { Announcer } from "./announcer.js";
import { Desktop } from "./desktop.js";
import { part, showWhen } from "./dom.js";
import { drawMessage, drawTimes } from "./message.js";
import { News } from "./news.js";
import { Older } from "./older.js";
import { OLD_DIALECT } from "./protocol.js";
import { TaskList } from "./tasklist.js";
import { Toasts } from "./toasts.js";

const REFRESH_TIMES_MS = 20_000;

/**
 * Bring the bundled bell, its panel and the toasts to life, and keep them up to date.
 *
 * @param {object} notifier  from `createNotifier`
 * @param {Element} element  what `{% catmaid_notify %}` or `{% catmaid_notify_inbox %}` has put into the page
 * @param {object} [options]
 * @param {boolean} [options.toasts=true]  whether new messages are shown as toasts
 * @returns {function(): void}  ends it
 */
export function attachInbox(notifier, element, { toasts = true } = {}) {
    const inbox = new Inbox(notifier, element, toasts);
    return () => inbox.detach();
}

/** What is in the list stays where it is while the panel is open: new messages come on top, read ones turn grey. */
class Inbox {
    #notifier;
    #root;
    #parts;
    #controller = new AbortController();
    #announcer;
    #desktop;
    #tasks;
    #toasts = null;
    #news;
    #fresh = new Map(); // id → message that nobody has looked at, in this tab
    #older = null; // while the panel is open
    #items = new Map(); // id → list item
    #isReachable = true;
    #observer;
    #timesTimer;

    constructor(notifier, root, withToasts) {
        this.#notifier = notifier;
        this.#root = root;
        this.#parts = Object.fromEntries([...root.querySelectorAll("[data-part]")].map((found) => [found.dataset.part, found]));
        const { live, scroll } = this.#parts;
        this.#news = new News(notifier.user);
        this.#announcer = new Announcer({
            adapters: browserAdapters(),
            say: (text) => (live.textContent = text),
            describe: ({ length, 0: title }) =>
                length === 1 ? live.dataset.one.replace("{title}", () => title) : live.dataset.many.replace("{n}", length),
        });
        this.#tasks = new TaskList(root);
        this.#desktop = new Desktop(notifier, root, () => this.#show(), this.#controller.signal);
        if (withToasts) {
            this.#toasts = new Toasts(root, () => this.#show());
        }
        const seen = ([{ isIntersecting }]) => isIntersecting && this.#load();
        this.#observer = new IntersectionObserver(seen, { root: scroll, rootMargin: "200px" });
        this.#listen();
        this.#drawUnread();
        this.#drawTasks();
        this.#drawState();
    }

    detach() {
        this.#parts.panel.hidePopover();
        this.#controller.abort();
        this.#announcer.stop();
        this.#toasts?.detach();
    }

    #listen() {
        const { signal } = this.#controller;
        const { panel } = this.#parts;
        const on = (type, fn) => this.#notifier.on(type, fn, { signal });
        on("message", (detail) => this.#arrived(detail));
        on("unread", () => this.#drawUnread());
        on("read", (detail) => this.#read(detail));
        on("tasks", () => this.#drawTasks());
        on("state", () => this.#drawState());
        on("user", (detail) => this.#userChanged(detail));
        on("sync", ({ ok }) => this.#synced(ok));
        panel.addEventListener("beforetoggle", ({ newState }) => this.#toggle(newState === "open"), { signal });
        this.#root.ownerDocument.addEventListener("visibilitychange", () => this.#tellFresh(), { signal });
        panel.addEventListener("click", ({ target }) => this.#clicked(target.closest("button")), { signal });
    }

    // What the notifier tells

    #arrived({ message, backlog }) {
        if (!this.#news.isNew(message, backlog)) {
            return;
        }
        this.#desktop.add(message);
        this.#fresh.set(message.id, message);
        this.#tellFresh();
    }

    /** Tell of what is new in the tab that somebody looks at, and in no other. */
    #tellFresh() {
        if (!this.#root.ownerDocument.hidden) {
            for (const [id, message] of this.#fresh) {
                this.#notifier.claim(`toast ${id}`).then((isOurs) => isOurs && this.#isUnread(id) && this.#tell(message));
            }
            this.#fresh.clear();
        }
    }

    /** Meanwhile the message may have been read, or somebody else have signed in. */
    #isUnread(id) {
        return this.#notifier.unread.messages.some((message) => message.id === id);
    }

    #tell(message) {
        this.#announcer.add(message.title);
        if (!this.#older) {
            this.#toasts?.add(message.id, this.#draw(message));
        }
    }

    #read({ all, ids }) {
        for (const id of all ? this.#items.keys() : ids) {
            this.#grey(id);
        }
        for (const id of ids) {
            this.#fresh.delete(id);
            this.#toasts?.remove(id);
            this.#desktop.remove(id);
        }
    }

    #userChanged({ user, previous }) {
        this.#news = new News(user);
        this.#desktop.draw();
        if (previous !== "") {
            this.#fresh.clear();
            this.#toasts?.clear();
            this.#announcer.stop();
            this.#fill();
        }
    }

    #synced(ok) {
        this.#isReachable = ok;
        this.#news.settle();
        this.#drawState();
    }

    #drawUnread() {
        const { badge, all } = this.#parts;
        const { count, messages } = this.#notifier.unread;
        badge.textContent = count > 99 ? "99+" : count;
        badge.hidden = all.hidden = count === 0;
        if (this.#older) {
            for (const message of messages) {
                this.#put(message, (item) => item.dataset.id < message.id);
                this.#items.get(message.id).dataset.unread = "";
            }
        }
        this.#drawName();
    }

    #drawTasks() {
        const { tasks } = this.#notifier;
        this.#tasks.draw(tasks);
        this.#parts.activity.hidden = tasks.length === 0;
        this.#drawName();
    }

    #drawName() {
        const { bell } = this.#parts;
        const { unread, tasks } = this.#notifier;
        const { none, some, running } = bell.dataset;
        const name = unread.count ? some.replace("{n}", unread.more ? `${unread.count}+` : unread.count) : none;
        bell.ariaLabel = tasks.length ? `${name}, ${running.replace("{n}", tasks.length)}` : name;
    }

    #drawState() {
        const { state, transport, closeCode } = this.#notifier;
        let shown = state;
        if (!this.#isReachable && transport === "polling") {
            shown = "unreachable";
        } else if (state === "polling" && closeCode === OLD_DIALECT) {
            shown = "outdated";
        }
        showWhen(this.#parts.state, shown);
    }

    // What people do

    #clicked(button) {
        switch (button?.dataset.part) {
            case "all":
                this.#parts.heading.focus();
                this.#markRead({ all: true });
                break;
            case "read":
                this.#markRead([Number(button.closest("li").dataset.id)]);
                break;
            case "retry":
                this.#notifier.sync();
                this.#load();
        }
    }

    async #markRead(what) {
        const marking = this.#notifier.markRead(what);
        // Of messages further down than the notifier knows, it says nothing.
        (what.all ? [] : what).forEach((id) => this.#grey(id));
        const ok = await marking;
        this.#parts.problem.hidden = ok;
        if (!ok) {
            this.#fill();
        }
    }

    #show() {
        this.#parts.panel.showPopover();
        this.#parts.heading.focus();
    }

    #toggle(isOpen) {
        this.#parts.bell.ariaExpanded = isOpen;
        this.#fill(isOpen);
        clearInterval(this.#timesTimer);
        if (isOpen) {
            this.#toasts?.clear();
            this.#parts.problem.hidden = true;
            this.#timesTimer = setInterval(() => drawTimes(this.#parts.messages, this.#root.lang), REFRESH_TIMES_MS);
        }
    }

    // The list

    /** Begin anew, with what is unread at present; a closed panel is empty. */
    #fill(isOpen = this.#older !== null) {
        const { messages, end } = this.#parts;
        this.#items.clear();
        messages.replaceChildren();
        this.#observer.disconnect();
        this.#older = isOpen ? new Older(this.#notifier) : null;
        if (isOpen) {
            showWhen(end, "");
            this.#drawUnread();
            this.#observer.observe(end);
        }
    }

    async #load() {
        const { end } = this.#parts;
        const older = this.#older;
        const isStale = () => older !== this.#older;
        this.#observer.disconnect();
        showWhen(end, "loading");
        try {
            const messages = await older.next();
            if (isStale()) {
                return;
            }
            messages.forEach((message) => this.#put(message, () => false));
            showWhen(end, older.ended ? (this.#items.size ? "ended" : "empty") : "");
            if (!older.ended) {
                this.#observer.observe(end); // tells at once whether there is still room
            }
        } catch {
            if (!isStale()) {
                showWhen(end, "failed");
            }
        }
    }

    /** Put a message that is not there yet before the first item for which that is true, or else at the end. */
    #put(message, isNext) {
        const { messages } = this.#parts;
        if (!this.#items.has(message.id)) {
            const item = this.#draw(message);
            this.#items.set(message.id, item);
            messages.insertBefore(item, [...messages.children].find(isNext) ?? null);
        }
    }

    #draw(message) {
        return drawMessage(this.#root, message, ({ button }) => button < 2 && this.#markRead([message.id]));
    }

    /** Show the message as read; who pressed its button goes on to the next one. */
    #grey(id) {
        const item = this.#items.get(id);
        if (item?.contains(this.#root.ownerDocument.activeElement)) {
            const next = this.#parts.messages.querySelector(`[data-id="${id}"] ~ [data-unread] [data-part="read"]`);
            (next ?? this.#parts.heading).focus();
        }
        item?.removeAttribute("data-unread");
    }
}
