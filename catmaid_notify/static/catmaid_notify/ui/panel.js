/** Panel below the bell. Loaded when the user reaches for the bell. */

import { part, showWhen } from "./dom.js";
import { drawMessage } from "./message.js";
import { InboxPager } from "./pager.js";
import { languageOf, updateTimes } from "./relative_time.js";
import { TaskList } from "./task_list.js";

const REFRESH_TIMES_MS = 20_000;

/**
 * Contents of the panel: running tasks, messages, and the connection state in words. Items keep their places while the panel is
 * open: new messages come on top, read ones turn grey.
 */
export class Panel {
    #notifier;
    #root;
    #parts;
    #isReachable;
    #core;
    #tasks;
    #pager = null; // `null` while the panel is closed
    #items = new Map(); // id → list item
    #observer;
    #timesTimer;

    /**
     * @param {object} options
     * @param {function(): boolean} options.isReachable  returns whether the latest request for the unread set has succeeded
     * @param {object} options.core  `OLD_DIALECT` and `parseMessage` of the core, which bundlers would split for an import here
     */
    constructor({ notifier, root, parts, isReachable, core, signal }) {
        this.#notifier = notifier;
        this.#root = root;
        this.#parts = parts;
        this.#isReachable = isReachable;
        this.#core = core;
        this.#tasks = new TaskList(root);
        const seen = (entries) => entries.some((entry) => entry.isIntersecting) && this.#load();
        this.#observer = new IntersectionObserver(seen, { root: parts.scroll, rootMargin: "200px" });
        const on = (type, fn) => notifier.on(type, fn, { signal });
        on("unread", () => this.#drawUnread());
        on("read", (detail) => this.#read(detail));
        on("tasks", () => this.#drawTasks());
        on("state", () => this.#drawState());
        on("sync", () => this.#drawState());
        on("user", ({ previous }) => previous && this.#fill());
        parts.panel.addEventListener("click", ({ target }) => this.#clicked(target.closest("button")), { signal });
        this.#drawUnread();
        this.#drawTasks();
        this.#drawState();
    }

    /** React to the opening or closing of the panel. */
    toggle(isOpen) {
        this.#fill(isOpen);
        clearInterval(this.#timesTimer);
        if (isOpen) {
            this.#parts.problem.hidden = true;
            this.#timesTimer = setInterval(() => updateTimes(this.#parts.messages, languageOf(this.#root)), REFRESH_TIMES_MS);
        }
    }

    // Events of the notifier

    #read({ all, ids }) {
        for (const id of all ? this.#items.keys() : ids) {
            this.#grey(id);
        }
    }

    #drawUnread() {
        const { count, messages } = this.#notifier.unread;
        this.#parts.all.hidden = count === 0;
        if (this.#pager) {
            for (const message of messages) {
                this.#put(message, (item) => item.dataset.id < message.id);
                this.#items.get(message.id).dataset.unread = "";
            }
        }
    }

    #drawTasks() {
        this.#tasks.draw(this.#notifier.tasks);
    }

    #drawState() {
        const { state, transport, closeCode } = this.#notifier;
        let shown = state;
        if (!this.#isReachable() && transport === "polling") {
            shown = "unreachable";
        } else if (state === "polling" && closeCode === this.#core.OLD_DIALECT) {
            shown = "outdated";
        }
        showWhen(this.#parts.state, shown);
    }

    // User actions

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
        // The notifier sends no `read` event for messages beyond its newest unread ones.
        (what.all ? [] : what).forEach((id) => this.#grey(id));
        const ok = await marking;
        this.#parts.problem.hidden = ok;
        if (!ok) {
            this.#fill();
        }
    }

    // Message list

    /** Restart the list with the unread messages; a closed panel is empty. */
    #fill(isOpen = this.#pager !== null) {
        const { messages, end } = this.#parts;
        this.#items.clear();
        messages.replaceChildren();
        this.#observer.disconnect();
        this.#pager = isOpen ? new InboxPager(this.#notifier, this.#core.parseMessage) : null;
        if (isOpen) {
            showWhen(end, "");
            this.#drawUnread();
            this.#observer.observe(end);
        }
    }

    async #load() {
        const { end } = this.#parts;
        const pager = this.#pager;
        const isStale = () => pager !== this.#pager;
        this.#observer.disconnect();
        showWhen(end, "loading");
        try {
            const messages = await pager.next();
            if (isStale()) {
                return;
            }
            messages.forEach((message) => this.#put(message, () => false));
            showWhen(end, pager.ended ? (this.#items.size ? "ended" : "empty") : "");
            if (!pager.ended) {
                this.#observer.observe(end); // calls back at once if `end` is still in view
            }
        } catch {
            if (!isStale()) {
                showWhen(end, "failed");
            }
        }
    }

    /** Insert a message, unless it is listed, before the first item that `isNext` accepts, or at the end. */
    #put(message, isNext) {
        const { messages } = this.#parts;
        if (!this.#items.has(message.id)) {
            const item = drawMessage(this.#root, message, ({ button }) => button < 2 && this.#markRead([message.id]));
            updateTimes(item, languageOf(this.#root));
            this.#items.set(message.id, item);
            messages.insertBefore(item, [...messages.children].find(isNext) ?? null);
        }
    }

    /** Show a message as read. Focus on its button, which disappears, moves to the next one. */
    #grey(id) {
        const item = this.#items.get(id);
        if (item && part(item, "read") === this.#root.ownerDocument.activeElement) {
            const next = this.#parts.messages.querySelector(`[data-id="${id}"] ~ [data-unread] [data-part="read"]`);
            (next ?? this.#parts.heading).focus();
        }
        item?.removeAttribute("data-unread");
    }
}
