import { icon, make, safeUrl } from "./dom.js";

const STAY_MS = 8_000;
const VISIBLE_MAX = 3;

/**
 * Shows new messages in a corner for a while. They never take the focus, wait while one of them is hovered or focused or the
 * page is hidden, and close by a button or Esc. Closing one doesn't read the message. What is more than three is counted.
 */
export class Toasts {
    #document;
    #texts;
    #on;
    #region;
    #entries = new Set(); // {element, timer}
    #batch = [];
    #batchTimer = null;
    #more = null; // the entry that counts what is not shown
    #moreCount = 0;
    #isHovered = false;
    #controller = new AbortController();

    /** `on` has `open(message)` and `showAll()`. */
    constructor({ document, texts, theme, on }) {
        this.#document = document;
        this.#texts = texts;
        this.#on = on;
        this.#region = make(document, "section", {
            "class": "catmaid-notify catmaid-notify__toasts",
            "aria-label": texts.toasts,
            "data-theme": theme,
            "pointerenter": () => this.#hover(true),
            "pointerleave": () => this.#hover(false),
            "focusin": () => this.#pace(),
            "focusout": () => queueMicrotask(() => this.#pace()),
        });
        document.body.append(this.#region);
        const { signal } = this.#controller;
        document.addEventListener("visibilitychange", () => this.#pace(), { signal });
        document.addEventListener("keydown", (event) => this.#key(event), { signal });
    }

    add(message) {
        this.#batch.push(message);
        // All of one sync at once, so that the newest ones are those that are shown.
        this.#batchTimer ??= setTimeout(() => this.#showBatch(), 0);
    }

    /** Close the toast of a message that was read, or all of them. */
    remove(id) {
        for (const entry of [...this.#entries]) {
            if (id === undefined || entry.id === id) {
                this.#close(entry);
            }
        }
        this.#batch = id === undefined ? [] : this.#batch.filter((message) => message.id !== id);
    }

    detach() {
        this.#controller.abort();
        clearTimeout(this.#batchTimer);
        this.remove();
        this.#region.remove();
    }

    #showBatch() {
        this.#batchTimer = null;
        const batch = this.#batch;
        this.#batch = [];
        const free = Math.max(0, VISIBLE_MAX - [...this.#entries].filter((entry) => entry !== this.#more).length);
        const shown = free ? batch.slice(-free) : [];
        for (const message of shown) {
            this.#open(message.id, this.#draw(message), message.level);
        }
        if (batch.length > shown.length) {
            this.#countMore(batch.length - shown.length);
        }
        this.#pace();
    }

    #draw(message) {
        const document = this.#document;
        const title = message.title || this.#texts.untitled;
        const url = safeUrl(message.action, document.baseURI);
        const link = { "href": url, "rel": "noopener noreferrer", "click": () => this.#on.open(message) };
        return make(
            document,
            "div",
            { class: "catmaid-notify__body" },
            make(document, "span", { class: "catmaid-notify__hidden" }, `${this.#texts.levels[message.level]}: `),
            url
                ? make(document, "a", { class: "catmaid-notify__title", dir: "auto", ...link }, title)
                : make(document, "span", { class: "catmaid-notify__title", dir: "auto" }, title),
            message.text ? make(document, "p", { class: "catmaid-notify__text", dir: "auto" }, message.text) : null,
        );
    }

    #countMore(count) {
        this.#moreCount += count;
        const text = this.#texts.moreNew(this.#moreCount);
        if (this.#more) {
            this.#more.element.querySelector(".catmaid-notify__title").textContent = text;
            return;
        }
        const document = this.#document;
        const show = make(
            document,
            "button",
            {
                type: "button",
                class: "catmaid-notify__link",
                click: () => {
                    this.remove();
                    this.#on.showAll();
                },
            },
            this.#texts.show,
        );
        const body = make(
            document,
            "div",
            { class: "catmaid-notify__body" },
            make(document, "span", { class: "catmaid-notify__title" }, text),
            show,
        );
        this.#more = this.#open(null, body, "info");
    }

    #open(id, body, level) {
        const document = this.#document;
        const entry = { id, timer: null, element: null };
        const close = make(
            document,
            "button",
            {
                "type": "button",
                "class": "catmaid-notify__button",
                "aria-label": this.#texts.close,
                "click": () => this.#close(entry),
            },
            icon(document, "close"),
        );
        entry.element = make(
            document,
            "article",
            { "class": "catmaid-notify__toast", "data-level": level },
            icon(document, level),
            body,
            close,
        );
        this.#entries.add(entry);
        this.#region.append(entry.element);
        return entry;
    }

    #close(entry) {
        clearTimeout(entry.timer);
        entry.element.remove();
        this.#entries.delete(entry);
        if (entry === this.#more) {
            this.#more = null;
            this.#moreCount = 0;
        }
        if (this.#entries.size === 0) {
            this.#isHovered = false; // an element that goes away under the pointer is never left
        }
        this.#pace();
    }

    #hover(isHovered) {
        this.#isHovered = isHovered;
        this.#pace();
    }

    #key(event) {
        if (event.key !== "Escape" || event.defaultPrevented || this.#entries.size === 0) {
            return;
        }
        const entries = [...this.#entries];
        const focused = entries.find((entry) => entry.element.contains(this.#document.activeElement));
        this.#close(focused ?? entries[entries.length - 1]);
    }

    /** Start or stop the clocks of all toasts; whoever was reading one gets the full time again for the rest. */
    #pace() {
        const waits =
            this.#isHovered || this.#document.hidden || this.#region.contains(this.#document.activeElement);
        for (const entry of this.#entries) {
            if (waits) {
                clearTimeout(entry.timer);
                entry.timer = null;
            } else {
                entry.timer ??= setTimeout(() => this.#close(entry), STAY_MS);
            }
        }
    }
}
