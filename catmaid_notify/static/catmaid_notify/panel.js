import { part, showWhen } from "./dom.js";
import { drawMessage } from "./message.js";
import { Older } from "./older.js";
import { TaskList } from "./tasklist.js";
import { drawTimes, languageOf } from "./times.js";

const REFRESH_TIMES_MS = 20_000;

/**
 * What is in the panel: running tasks, messages, and the state in words. What is in the list stays where it is while the panel
 * is open: new messages come on top, read ones turn grey.
 */
export class Panel {
    #notifier;
    #root;
    #parts;
    #isReachable;
    #core;
    #tasks;
    #older = null; // while the panel is open
    #items = new Map(); // id → list item
    #observer;
    #timesTimer;

    /**
     * `isReachable()` tells whether the latest request for the inbox was answered; `core` has what this module takes from those
     * that are there already, so that bundlers don't split the core for it.
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

    /** The panel is opened, or closed. */
    toggle(isOpen) {
        this.#fill(isOpen);
        clearInterval(this.#timesTimer);
        if (isOpen) {
            this.#parts.problem.hidden = true;
            this.#timesTimer = setInterval(() => drawTimes(this.#parts.messages, languageOf(this.#root)), REFRESH_TIMES_MS);
        }
    }

    // What the notifier tells

    #read({ all, ids }) {
        for (const id of all ? this.#items.keys() : ids) {
            this.#grey(id);
        }
    }

    #drawUnread() {
        const { count, messages } = this.#notifier.unread;
        this.#parts.all.hidden = count === 0;
        if (this.#older) {
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

    // The list

    /** Begin anew, with what is unread at present; a closed panel is empty. */
    #fill(isOpen = this.#older !== null) {
        const { messages, end } = this.#parts;
        this.#items.clear();
        messages.replaceChildren();
        this.#observer.disconnect();
        this.#older = isOpen ? new Older(this.#notifier, this.#core.toMessage) : null;
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
            const item = drawMessage(this.#root, message, ({ button }) => button < 2 && this.#markRead([message.id]));
            drawTimes(item, languageOf(this.#root));
            this.#items.set(message.id, item);
            messages.insertBefore(item, [...messages.children].find(isNext) ?? null);
        }
    }

    /** Show the message as read; who is on its button, which goes away, goes on to the next one. */
    #grey(id) {
        const item = this.#items.get(id);
        if (item && part(item, "read") === this.#root.ownerDocument.activeElement) {
            const next = this.#parts.messages.querySelector(`[data-id="${id}"] ~ [data-unread] [data-part="read"]`);
            (next ?? this.#parts.heading).focus();
        }
        item?.removeAttribute("data-unread");
    }
}
