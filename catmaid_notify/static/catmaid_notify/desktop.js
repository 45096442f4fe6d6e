import { part } from "./dom.js";

/** Held, shared, by all visible tabs of the site: who gets it alone knows that there is none. */
const VISIBLE_LOCK = "catmaid-notify:visible";
const SHOWN_KEY = "catmaid-notify:desktop-shown";
const SHOWN_KEPT = 100; // ids
const BODY_LENGTH = 300; // characters; no desktop shows more

/** Desktop notifications: off until somebody turns them on, only while no tab of the site is visible, once per browser. */
export class Desktop {
    #notifier;
    #document;
    #row;
    #box;
    #open;
    #shown = new Map(); // message id → Notification
    #leave = () => {};

    /** `open` is called when a notification was clicked. */
    constructor(notifier, root, open, signal) {
        this.#notifier = notifier;
        this.#document = root.ownerDocument;
        this.#row = part(root, "desktop");
        this.#box = this.#row.control;
        this.#open = open;
        if (isPossible()) {
            this.#row.hidden = false;
            this.#box.addEventListener("change", () => this.#turn(this.#box.checked), { signal });
            this.#document.addEventListener("visibilitychange", () => this.draw(), { signal });
            globalThis.addEventListener("storage", () => this.draw(), { signal });
            signal.addEventListener("abort", () => this.#leave());
            this.draw();
        }
    }

    /** Show whether they are on; with another user or in another tab that may have changed. */
    draw() {
        if (this.#row.hidden) {
            return;
        }
        const isBlocked = Notification.permission === "denied";
        this.#box.checked = this.#isOn;
        this.#box.disabled = isBlocked;
        part(this.#row, "blocked").hidden = !isBlocked;
        this.#leave();
        if (this.#isOn && !this.#document.hidden) {
            const left = new Promise((resolve) => (this.#leave = resolve));
            void navigator.locks.request(VISIBLE_LOCK, { mode: "shared" }, () => left);
        }
    }

    add(message) {
        if (!this.#row.hidden && this.#isOn && this.#document.hidden) {
            void navigator.locks.request(VISIBLE_LOCK, { ifAvailable: true }, (lock) => lock && this.#show(message));
        }
    }

    /** Close that of a message that was read. */
    remove(id) {
        this.#shown.get(id)?.close();
        this.#shown.delete(id);
    }

    get #key() {
        return `catmaid-notify:${this.#notifier.user}:desktop`;
    }

    get #isOn() {
        return Notification.permission === "granted" && localStorage.getItem(this.#key) !== null;
    }

    async #turn(isOn) {
        if (isOn && (await Notification.requestPermission()) === "granted") {
            localStorage.setItem(this.#key, "on");
        } else {
            localStorage.removeItem(this.#key);
        }
        this.draw();
    }

    #show({ id, title, text }) {
        const shown = (localStorage.getItem(SHOWN_KEY) ?? "").split(" ").slice(-SHOWN_KEPT);
        if (shown.includes(String(id))) {
            return; // another tab was quicker
        }
        localStorage.setItem(SHOWN_KEY, [...shown, id].join(" "));
        const notification = new Notification(title, { body: text.slice(0, BODY_LENGTH), tag: `catmaid-notify-${id}` });
        notification.onclick = () => {
            globalThis.focus();
            notification.close();
            this.#open();
        };
        this.#shown.set(id, notification);
    }
}

/** Without a secure context there is neither of them; where cookies are blocked, even looking at the storage throws. */
function isPossible() {
    try {
        return Boolean(globalThis.Notification && navigator.locks && globalThis.localStorage);
    } catch {
        return false;
    }
}
