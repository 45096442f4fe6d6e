const SHOWN_KEPT = 100; // ids
const BODY_LENGTH = 300; // characters; no desktop shows more

/** Desktop notifications: off until somebody turns them on, only while no tab of the site is visible, once per browser. */
export class Desktop {
    #notifier;
    #name; // of this site, on an origin that may have several
    #setting;
    #document;
    #row;
    #box;
    #blocked;
    #open;
    #shown = new Map(); // message id → Notification
    #leave = () => {};

    /** `setting` is that of setting.js; `open` is called when a notification was clicked. */
    constructor({ notifier, parts, setting, open, signal }) {
        this.#notifier = notifier;
        this.#name = `catmaid-notify:${notifier.messagesUrl}`;
        this.#setting = setting;
        this.#row = parts.desktop;
        this.#box = this.#row.control;
        this.#blocked = parts.blocked;
        this.#document = this.#row.ownerDocument;
        this.#open = open;
        if (isPossible() && !signal.aborted) {
            this.#row.hidden = false;
            this.#box.addEventListener("change", () => this.#turn(this.#box.checked), { signal });
            this.#document.addEventListener("visibilitychange", () => this.draw(), { signal });
            globalThis.addEventListener("storage", () => this.draw(), { signal });
            signal.addEventListener("abort", () => this.#leave());
            notifier.on("user", () => this.draw(), { signal });
            notifier.on("read", ({ ids }) => ids.forEach((id) => this.#close(id)), { signal });
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
        this.#blocked.hidden = !isBlocked;
        this.#leave();
        if (this.#isOn && !this.#document.hidden) {
            const left = new Promise((resolve) => (this.#leave = resolve));
            void navigator.locks.request(this.#visible, { mode: "shared" }, () => left);
        }
    }

    add(message) {
        if (!this.#row.hidden && this.#isOn && this.#document.hidden) {
            // One after another, in all tabs: who asked for the inner lock meanwhile would be taken for a visible tab.
            const { locks } = navigator;
            const showUnlessVisible = () =>
                locks.request(this.#visible, { ifAvailable: true }, (lock) => lock && this.#show(message));
            void locks.request(`${this.#name}:showing`, showUnlessVisible);
        }
    }

    /** Held, shared, by all visible tabs of the site: who gets it alone knows that there is none. */
    get #visible() {
        return `${this.#name}:visible`;
    }

    #close(id) {
        this.#shown.get(id)?.close();
        this.#shown.delete(id);
    }

    get #isOn() {
        return this.#setting.isOn(this.#notifier);
    }

    async #turn(isOn) {
        const key = this.#setting.keyOf(this.#notifier);
        if (isOn && (await Notification.requestPermission()) === "granted") {
            localStorage.setItem(key, "on");
        } else {
            localStorage.removeItem(key);
        }
        this.draw();
    }

    #show({ id, title, text }) {
        const key = `${this.#name}:desktop-shown`;
        const shown = (localStorage.getItem(key) ?? "").split(" ").slice(-SHOWN_KEPT);
        if (shown.includes(String(id))) {
            return; // another tab was quicker
        }
        let notification;
        try {
            notification = new Notification(title, { body: text.slice(0, BODY_LENGTH), tag: `${this.#name}:${id}` });
        } catch {
            this.#row.hidden = true; // a browser, such as Android's, where pages may not make them
            return;
        }
        localStorage.setItem(key, [...shown, id].join(" "));
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
