/** Toasts. */

import { copy, part } from "./dom.js";

const TICK_MS = 500;
const STAY_MS = 8_000 + TICK_MS; // at least 8 s, since the first tick may come at once
const VISIBLE_MAX = 3;

/**
 * New messages in a corner of the page, three at most and a count of further ones. Toasts never take the focus. They stay while
 * one of them is hovered or focused or the page is hidden, and close by a button, Esc or time. Closing a toast doesn't mark its
 * message as read.
 */
export class Toasts {
    #document;
    #region;
    #list;
    #more; // element with the count of further messages
    #moreCount = 0;
    #left = new Map(); // element → remaining ms
    #batch = new Map(); // id → list item
    #batchTimer = null;
    #clock = null;
    #controller = new AbortController();

    /**
     * @param {Element} root  the inbox
     * @param {function(): void} showAll  called at a click on "Show" beside the count
     */
    constructor(root, showAll) {
        this.#document = root.ownerDocument;
        this.#region = copy(root, "toasts");
        this.#list = this.#region.firstElementChild;
        this.#more = part(this.#region, "more");
        part(this.#more, "show").onclick = showAll;
        this.#document.body.append(this.#region);
        this.#document.addEventListener("keydown", (event) => this.#key(event), { signal: this.#controller.signal });
    }

    /** Show the list item of a message. */
    add(id, item) {
        part(item, "close").onclick = () => this.#close(item);
        this.#batch.set(id, item);
        // Wait for all messages of one sync, so that the newest ones are shown and the others counted.
        this.#batchTimer ??= setTimeout(() => this.#showBatch());
    }

    /** Close the toast of a message. */
    remove(id) {
        this.#batch.delete(id);
        this.#list.querySelectorAll(`[data-id="${id}"]`).forEach((item) => this.#close(item));
    }

    clear() {
        this.#batch.clear();
        [...this.#left.keys()].forEach((item) => this.#close(item));
    }

    detach() {
        this.clear();
        clearTimeout(this.#batchTimer);
        this.#controller.abort();
        this.#region.remove();
    }

    #showBatch() {
        const items = [...this.#batch.values()];
        const counted = Math.max(0, items.length + this.#list.children.length - VISIBLE_MAX);
        this.#batchTimer = null;
        this.#batch.clear();
        for (const item of items.slice(counted)) {
            this.#list.append(item);
            this.#left.set(item, STAY_MS);
        }
        if (counted) {
            const count = part(this.#more, "count");
            this.#moreCount += counted;
            count.textContent = count.dataset.text.replace("{n}", this.#moreCount);
            this.#more.hidden = false;
            this.#left.set(this.#more, STAY_MS);
        }
        this.#clock ??= setInterval(() => this.#tick(), TICK_MS);
    }

    #close(item) {
        this.#left.delete(item);
        if (item === this.#more) {
            item.hidden = true;
            this.#moreCount = 0;
        } else {
            item.remove();
        }
        if (!this.#left.size) {
            clearInterval(this.#clock);
            this.#clock = null;
        }
    }

    /** Count the time down. Hovering, focus and a hidden page reset it for all toasts. */
    #tick() {
        const waits = this.#document.hidden || this.#region.matches(":hover, :focus-within");
        for (const [item, leftMs] of this.#left) {
            const restMs = waits ? STAY_MS : leftMs - TICK_MS;
            this.#left.set(item, restMs);
            if (restMs <= 0) {
                this.#close(item);
            }
        }
    }

    #key(event) {
        if (event.key === "Escape" && !event.defaultPrevented && this.#left.size) {
            const items = [...this.#left.keys()];
            this.#close(items.find((item) => item.contains(this.#document.activeElement)) ?? items.at(-1));
        }
    }
}
