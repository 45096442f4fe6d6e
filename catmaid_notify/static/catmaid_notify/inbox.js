import { browserAdapters } from "./adapters.js";
import { Announcer } from "./announcer.js";
import { icon, make, safeUrl, timeAgo } from "./dom.js";
import { News } from "./news.js";
import { CLOSE } from "./protocol.js";
import { TEXTS } from "./texts.js";
import { Toasts } from "./toasts.js";

const REFRESH_TIMES_MS = 20_000;
let panels = 0;

/**
 * Put the bundled bell, its panel and the toasts into the page, and keep them up to date.
 *
 * @param {object} notifier  from `createNotifier`
 * @param {Element} element  where the bell goes
 * @param {object} [options]
 * @param {object} [options.texts]  replaces some of `TEXTS` (texts.js)
 * @param {boolean} [options.toasts=true]  whether new messages are shown as toasts
 * @returns {function(): void}  takes everything away again
 */
export function attachInbox(notifier, element, { texts = {}, toasts = true } = {}) {
    const inbox = new Inbox(notifier, element, { ...TEXTS, ...texts }, toasts);
    return () => inbox.detach();
}

class Inbox {
    #notifier;
    #element;
    #document;
    #texts;
    #controller = new AbortController();
    #announcer;
    #toasts = null;
    #news;
    #parts;
    #messages = new Map(); // id → list item
    #tasks = new Map(); // id → list item
    #isAnswered = false;
    #isReachable = true;
    #timesTimer = null;

    constructor(notifier, element, texts, withToasts) {
        this.#notifier = notifier;
        this.#element = element;
        this.#document = element.ownerDocument;
        this.#texts = texts;
        this.#parts = this.#build();
        this.#news = new News(notifier.user);
        this.#announcer = new Announcer({
            adapters: browserAdapters(),
            say: (text) => {
                this.#parts.live.textContent = text;
            },
            describe: (titles) => (titles.length === 1 ? texts.newMessage(titles[0]) : texts.newMessages(titles.length)),
        });
        if (withToasts) {
            this.#toasts = new Toasts({
                document: this.#document,
                texts,
                theme: element.dataset.theme,
                on: { open: (message) => this.#opened(message), showAll: () => this.#toggle(true) },
            });
        }
        this.#listen();
        this.#drawUnread();
        this.#drawTasks();
        this.#drawState();
    }

    detach() {
        this.#controller.abort();
        this.#announcer.stop();
        this.#toasts?.detach();
        clearInterval(this.#timesTimer);
        this.#element.replaceChildren();
    }

    #build() {
        const document = this.#document;
        const texts = this.#texts;
        const panelId = `catmaid-notify-panel-${++panels}`;
        const badge = make(document, "span", { "class": "catmaid-notify__badge", "aria-hidden": "true", "hidden": true });
        const activity = make(document, "span", { class: "catmaid-notify__activity", hidden: true });
        const bell = make(
            document,
            "button",
            {
                "type": "button",
                "class": "catmaid-notify__bell",
                "aria-expanded": "false",
                "aria-controls": panelId,
                "click": () => this.#toggle(panel.hidden),
            },
            icon(document, "bell"),
            activity,
            badge,
        );
        const markAll = make(
            document,
            "button",
            { type: "button", class: "catmaid-notify__link", click: () => this.#markAll() },
            texts.markAll,
        );
        const tasks = make(document, "ul", { "class": "catmaid-notify__tasks", "aria-label": texts.tasks, "hidden": true });
        const list = make(document, "ul", { class: "catmaid-notify__messages" });
        const note = make(document, "p", { class: "catmaid-notify__note" });
        const problem = make(document, "p", { class: "catmaid-notify__problem", role: "alert", hidden: true });
        const state = make(document, "p", { class: "catmaid-notify__state" });
        const heading = make(document, "h2", { class: "catmaid-notify__heading", tabindex: "-1" }, texts.heading);
        const panel = make(
            document,
            "section",
            { "class": "catmaid-notify__panel", "id": panelId, "aria-label": texts.heading, "hidden": true },
            make(document, "header", { class: "catmaid-notify__header" }, heading, markAll),
            problem,
            make(document, "div", { class: "catmaid-notify__scroll" }, tasks, list, note),
            make(document, "footer", { class: "catmaid-notify__footer" }, state),
        );
        const live = make(document, "div", { class: "catmaid-notify__hidden", role: "status" });
        this.#element.classList.add("catmaid-notify");
        this.#element.replaceChildren(bell, panel, live);
        return { badge, activity, bell, markAll, tasks, list, note, problem, state, heading, panel, live };
    }

    #listen() {
        const { signal } = this.#controller;
        const notifier = this.#notifier;
        notifier.on("message", (detail) => this.#arrived(detail), { signal });
        notifier.on("unread", () => this.#drawUnread(), { signal });
        notifier.on("read", ({ ids }) => ids.forEach((id) => this.#toasts?.remove(id)), { signal });
        notifier.on("tasks", () => this.#drawTasks(), { signal });
        notifier.on("state", () => this.#drawState(), { signal });
        notifier.on("user", ({ user, previous }) => this.#userChanged(user, previous), { signal });
        notifier.on("sync", ({ ok }) => this.#synced(ok), { signal });
        const page = this.#document;
        page.addEventListener("pointerdown", (event) => this.#pressed(event), { signal });
        // In the capture phase: Esc closes the panel, and only then a toast.
        page.addEventListener("keydown", (event) => this.#key(event), { signal, capture: true });
    }

    #arrived({ message, backlog }) {
        if (!this.#news.isNew(message, backlog)) {
            return;
        }
        this.#announcer.add(message.title || this.#texts.untitled);
        if (this.#parts.panel.hidden) {
            this.#toasts?.add(message);
        }
    }

    #userChanged(user, previous) {
        this.#news = new News(user);
        if (previous !== "") {
            this.#isAnswered = false;
            this.#toasts?.remove();
            this.#announcer.stop();
        }
    }

    #synced(ok) {
        this.#isAnswered ||= ok;
        this.#isReachable = ok;
        this.#news.settle();
        this.#drawNote();
        this.#drawState();
    }

    #drawUnread() {
        const { badge, markAll } = this.#parts;
        const { count, messages } = this.#notifier.unread;
        this.#isAnswered ||= count > 0;
        this.#fill(this.#parts.list, this.#messages, messages, (message) => this.#drawMessage(message));
        badge.textContent = count > 99 ? "99+" : String(count);
        badge.hidden = count === 0;
        markAll.hidden = count === 0;
        this.#drawNote();
        this.#drawName();
    }

    #drawNote() {
        const { note } = this.#parts;
        const { count, more, messages } = this.#notifier.unread;
        if (count > messages.length) {
            note.textContent = this.#texts.older(count - messages.length, more);
        } else if (count === 0) {
            note.textContent = this.#isAnswered ? this.#texts.empty : this.#texts.waitingForFirst;
        }
        note.hidden = count > 0 && count <= messages.length;
        note.classList.toggle("catmaid-notify__note--empty", count === 0);
    }

    #drawName() {
        const { count, more } = this.#notifier.unread;
        const running = this.#tasks.size;
        const name = this.#texts.bell(count, more);
        this.#parts.bell.setAttribute("aria-label", running ? `${name}, ${this.#texts.running(running)}` : name);
    }

    #drawMessage(message) {
        const document = this.#document;
        const title = message.title || this.#texts.untitled;
        const url = safeUrl(message.action, document.baseURI);
        const time = new Date(message.time);
        const read = make(
            document,
            "button",
            {
                "type": "button",
                "class": "catmaid-notify__button",
                "aria-label": this.#texts.markOne(title),
                "title": this.#texts.markOne("").replace(/[:\s]+$/, ""),
                "click": () => this.#markOne(message.id),
            },
            icon(document, "check"),
        );
        const link = { "href": url, "rel": "noopener noreferrer", "click": () => this.#opened(message) };
        return make(
            document,
            "li",
            { "class": "catmaid-notify__message", "data-level": message.level },
            icon(document, message.level),
            make(
                document,
                "div",
                { class: "catmaid-notify__body" },
                make(document, "span", { class: "catmaid-notify__hidden" }, `${this.#texts.levels[message.level]}: `),
                url
                    ? make(document, "a", { class: "catmaid-notify__title", dir: "auto", ...link }, title)
                    : make(document, "span", { class: "catmaid-notify__title", dir: "auto" }, title),
                message.text ? make(document, "p", { class: "catmaid-notify__text", dir: "auto" }, message.text) : null,
                Number.isNaN(time.valueOf())
                    ? null
                    : make(
                          document,
                          "time",
                          { class: "catmaid-notify__time", datetime: message.time, title: time.toLocaleString() },
                          this.#ago(time),
                      ),
            ),
            read,
        );
    }

    #drawTasks() {
        const { tasks, activity } = this.#parts;
        const running = this.#notifier.tasks;
        this.#fill(tasks, this.#tasks, running, (task) => this.#drawTask(task));
        for (const task of running) {
            this.#updateTask(this.#tasks.get(task.id), task);
        }
        tasks.hidden = running.length === 0;
        activity.hidden = running.length === 0;
        this.#drawName();
    }

    #drawTask(task) {
        const document = this.#document;
        return make(
            document,
            "li",
            { class: "catmaid-notify__task" },
            make(
                document,
                "div",
                { class: "catmaid-notify__row" },
                make(document, "span", { class: "catmaid-notify__title", dir: "auto" }, task.title),
                make(document, "span", { class: "catmaid-notify__percent" }),
            ),
            make(document, "progress", { class: "catmaid-notify__progress", "aria-label": task.title }),
            make(document, "p", { class: "catmaid-notify__text", dir: "auto" }),
        );
    }

    #updateTask(item, task) {
        const [row, progress, text] = item.children;
        row.firstChild.textContent = task.title;
        if (task.total > 0) {
            progress.max = task.total;
            progress.value = Math.min(task.done, task.total);
            row.lastChild.textContent = `${Math.floor(100 * progress.position)} %`;
        } else {
            progress.removeAttribute("value"); // moves to and fro: nobody knows how long
            row.lastChild.textContent = "";
        }
        text.textContent = task.text;
        text.hidden = task.text === "";
    }

    #drawState() {
        const { state, panel } = this.#parts;
        const notifier = this.#notifier;
        const texts = this.#texts;
        const known = texts.states[notifier.state];
        let text = typeof known === "function" ? known(notifier.pollMs) : known;
        if (!this.#isReachable && notifier.transport === "polling") {
            text = texts.unreachable;
        } else if (notifier.state === "polling" && notifier.closeCode === CLOSE.OLD_DIALECT) {
            text = texts.outdated;
        }
        state.textContent = text;
        this.#element.dataset.state = notifier.state;
        panel.toggleAttribute("data-unreachable", !this.#isReachable);
    }

    /** Make `list` show `entries` in their order, and keep the items that are there: one of them may have the focus. */
    #fill(list, items, entries, draw) {
        const wanted = new Set(entries.map((entry) => entry.id));
        for (const [id, item] of items) {
            if (!wanted.has(id)) {
                this.#takeAway(item);
                items.delete(id);
            }
        }
        let previous = null;
        for (const entry of entries) {
            if (!items.has(entry.id)) {
                items.set(entry.id, draw(entry));
            }
            const item = items.get(entry.id);
            const place = previous ? previous.nextSibling : list.firstChild;
            if (place !== item) {
                list.insertBefore(item, place);
            }
            previous = item;
        }
    }

    #takeAway(item) {
        const neighbour = item.nextElementSibling ?? item.previousElementSibling;
        const hadFocus = item.contains(this.#document.activeElement);
        item.remove();
        if (hadFocus) {
            (neighbour?.querySelector("button") ?? this.#parts.heading).focus();
        }
    }

    async #markOne(id) {
        this.#report(await this.#notifier.markRead([id]));
    }

    async #markAll() {
        this.#parts.heading.focus();
        this.#report(await this.#notifier.markRead({ all: true }));
    }

    #report(ok) {
        this.#parts.problem.textContent = ok ? "" : this.#texts.readFailed;
        this.#parts.problem.hidden = ok;
    }

    #opened(message) {
        void this.#notifier.markRead([message.id]);
    }

    #toggle(open) {
        const { panel, bell } = this.#parts;
        panel.hidden = !open;
        bell.setAttribute("aria-expanded", String(open));
        clearInterval(this.#timesTimer);
        if (open) {
            this.#toasts?.remove();
            this.#report(true);
            this.#align();
            this.#drawTimes();
            this.#timesTimer = setInterval(() => this.#drawTimes(), REFRESH_TIMES_MS);
        }
    }

    /** Open to the side where there is room for it. */
    #align() {
        const { bell, panel } = this.#parts;
        const { left, right } = bell.getBoundingClientRect();
        const width = this.#document.documentElement.clientWidth;
        panel.dataset.align = (left + right) / 2 > width / 2 ? "right" : "left";
    }

    #drawTimes() {
        for (const element of this.#parts.list.querySelectorAll("time")) {
            element.textContent = this.#ago(new Date(element.dateTime));
        }
    }

    #ago(time) {
        return timeAgo(time.valueOf(), Date.now(), this.#document.documentElement.lang, this.#texts.justNow);
    }

    #pressed(event) {
        if (!this.#parts.panel.hidden && !event.composedPath().includes(this.#element)) {
            this.#toggle(false);
        }
    }

    #key(event) {
        if (event.key === "Escape" && !this.#parts.panel.hidden) {
            event.preventDefault();
            this.#toggle(false);
            this.#parts.bell.focus();
        }
    }
}
