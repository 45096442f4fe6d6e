/** Desktop notifications: opt-in, shown once per browser while no tab of the site is visible. */

const SHOWN_IDS_MAX = 100; // stored ids of shown messages
const STORAGE_LAG_MS = 5000;
const BODY_LENGTH = 300; // characters; desktops truncate longer texts

/** Desktop notifications of new messages, and the checkbox that turns them on. */
export class DesktopNotifications {
    #notifier;
    #name; // prefix of keys and locks, unique to the site on its origin
    #setting;
    #document;
    #row;
    #box;
    #blocked;
    #open;
    #shown = new Map(); // message id → Notification
    #releaseVisible = () => {};

    /**
     * @param {object} options
     * @param {object} options.setting  `desktopSetting`
     * @param {function(): void} options.open  called at a click on a notification
     */
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
            signal.addEventListener("abort", () => this.#releaseVisible());
            notifier.on("user", () => this.draw(), { signal });
            notifier.on("read", ({ ids }) => ids.forEach((id) => this.#close(id)), { signal });
            this.draw();
        }
    }

    /** Update the checkbox and the lock of visible tabs; the setting is per user and shared by tabs. */
    draw() {
        if (this.#row.hidden) {
            return;
        }
        const isBlocked = Notification.permission === "denied";
        this.#box.checked = this.#isOn;
        this.#box.disabled = isBlocked;
        this.#blocked.hidden = !isBlocked;
        this.#releaseVisible();
        if (this.#isOn && !this.#document.hidden) {
            const released = new Promise((resolve) => (this.#releaseVisible = resolve));
            void navigator.locks.request(this.#visible, { mode: "shared" }, () => released);
        }
    }

    add(message) {
        if (!this.#row.hidden && this.#isOn && this.#document.hidden) {
            // The outer lock serialises all tabs: a concurrent request for the inner lock would look like a visible tab.
            const { locks } = navigator;
            const showUnlessVisible = () =>
                locks.request(this.#visible, { ifAvailable: true }, (lock) => lock && this.#showOnce(message));
            void locks.request(`${this.#name}:showing`, showUnlessVisible);
        }
    }

    /** Tabs may run in several processes, which see each other's writes to the storage late; locks they see at once. */
    #showOnce(message) {
        return new Promise((decided) => {
            void navigator.locks.request(`${this.#name}:${message.id}`, { ifAvailable: true }, (lock) => {
                if (lock) {
                    this.#show(message);
                }
                decided();
                return lock && new Promise((release) => setTimeout(release, STORAGE_LAG_MS));
            });
        });
    }

    /** Name of the lock that visible tabs of the site hold in shared mode. Exclusive access proves that there are none. */
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
        const shown = (localStorage.getItem(key) ?? "").split(" ").slice(-SHOWN_IDS_MAX);
        if (shown.includes(String(id))) {
            return; // another tab has shown it
        }
        let notification;
        try {
            notification = new Notification(title, { body: text.slice(0, BODY_LENGTH), tag: `${this.#name}:${id}` });
        } catch {
            this.#row.hidden = true; // mobile browsers forbid the constructor
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

/** Return whether the browser supports this. Insecure contexts don't, and blocked cookies make `localStorage` throw. */
function isPossible() {
    try {
        return Boolean(globalThis.Notification && navigator.locks && globalThis.localStorage);
    } catch {
        return false;
    }
}
