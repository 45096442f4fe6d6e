import { browserAdapters } from "./adapters.js";
import { Announcer } from "./announcer.js";
import { makeClaims } from "./claims.js";
import { showWhen } from "./dom.js";
import { drawMessage } from "./message.js";
import { News } from "./news.js";
import { makeOnDemand } from "./ondemand.js";
import { OLD_DIALECT } from "./protocol.js";
import { desktopSetting } from "./setting.js";
import { toMessage } from "./shapes.js";
import { Toasts } from "./toasts.js";

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

/** The bell and the toasts. What is in the panel, and desktop notifications, are loaded when somebody needs them. */
class Inbox {
    #notifier;
    #root;
    #parts;
    #controller = new AbortController();
    #announcer;
    #claim;
    #panel;
    #desktop;
    #toasts = null;
    #news;
    #fresh = new Map(); // id → message that nobody has looked at, in this tab
    #isReachable = true;

    constructor(notifier, root, withToasts) {
        const { signal } = this.#controller;
        this.#notifier = notifier;
        this.#root = root;
        this.#parts = Object.fromEntries([...root.querySelectorAll("[data-part]")].map((found) => [found.dataset.part, found]));
        const { live } = this.#parts;
        this.#news = new News(notifier);
        this.#claim = makeClaims(notifier.messagesUrl, { signal });
        this.#announcer = new Announcer({
            adapters: browserAdapters(),
            say: (text) => (live.textContent = text),
            describe: ({ length, 0: title }) =>
                length === 1 ? live.dataset.one.replace("{title}", () => title) : live.dataset.many.replace("{n}", length),
        });
        this.#panel = makeOnDemand(
            () => this.#importPanel(),
            () => this.#showEnd("failed"),
        );
        this.#desktop = makeOnDemand(
            () => this.#importDesktop(),
            (_, retry) => notifier.addEventListener("sync", retry, { once: true, signal }),
        );
        if (withToasts) {
            this.#toasts = new Toasts(root, () => this.#show());
        }
        showWhen(this.#parts.state, ""); // what it says is up to the panel
        this.#listen();
        this.#drawBell();
        this.#wakeDesktop();
    }

    detach() {
        this.#parts.panel.hidePopover();
        this.#controller.abort();
        this.#announcer.stop();
        this.#toasts?.detach();
    }

    #listen() {
        const { signal } = this.#controller;
        const { panel, bell, retry } = this.#parts;
        const on = (type, fn) => this.#notifier.on(type, fn, { signal });
        on("message", (detail) => this.#arrived(detail));
        on("unread", () => this.#drawBell());
        on("read", (detail) => this.#read(detail));
        on("tasks", () => this.#drawBell());
        on("user", (detail) => this.#userChanged(detail));
        on("sync", ({ ok }) => this.#synced(ok));
        panel.addEventListener("beforetoggle", ({ newState }) => this.#toggle(newState === "open"), { signal });
        retry.addEventListener("click", () => this.#panel.part ?? this.#toggle(true), { signal }); // later that is up to the panel
        for (const type of ["pointerenter", "focus"]) {
            bell.addEventListener(type, () => this.#panel.use(() => {}), { signal, once: true }); // it may be pressed soon
        }
        this.#root.ownerDocument.addEventListener("visibilitychange", () => this.#tellFresh(), { signal });
        globalThis.addEventListener("storage", () => this.#wakeDesktop(), { signal });
        globalThis.addEventListener("pageshow", ({ persisted }) => persisted && this.#news.resume(), { signal });
    }

    // What is loaded when somebody needs it

    async #importPanel() {
        const { Panel } = await import("./panel.js");
        return new Panel({
            notifier: this.#notifier,
            root: this.#root,
            parts: this.#parts,
            isReachable: () => this.#isReachable,
            core: { OLD_DIALECT, toMessage },
            signal: this.#controller.signal,
        });
    }

    async #importDesktop() {
        const { Desktop } = await import("./desktop.js");
        return new Desktop({
            notifier: this.#notifier,
            parts: this.#parts,
            setting: desktopSetting,
            open: () => this.#show(),
            signal: this.#controller.signal,
        });
    }

    /** Say at the end of the list how far the panel has come, while there is nothing in it that could. */
    #showEnd(state) {
        if (!this.#panel.part) {
            showWhen(this.#parts.end, state);
        }
    }

    /** They may have been turned on in another tab, or by who has signed in just now. */
    #wakeDesktop() {
        this.#desktop.use(() => {}, this.#wantsDesktop);
    }

    get #wantsDesktop() {
        return desktopSetting.isOn(this.#notifier);
    }

    // What the notifier tells

    #arrived({ message, backlog }) {
        if (this.#news.isNew(message, backlog)) {
            this.#desktop.use((desktop) => this.#isUnread(message.id) && desktop.add(message), this.#wantsDesktop);
            this.#fresh.set(message.id, message);
            this.#tellFresh();
        }
    }

    /** Tell of what is new in the tab that somebody looks at, and in no other. */
    #tellFresh() {
        if (!this.#root.ownerDocument.hidden) {
            for (const [id, message] of this.#fresh) {
                this.#claim(`toast ${id}`).then((isOurs) => isOurs && this.#isUnread(id) && this.#tell(message));
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
        if (!this.#parts.panel.matches(":popover-open")) {
            const open = ({ button }) => button < 2 && this.#notifier.markRead(message.id);
            this.#toasts?.add(message.id, drawMessage(this.#root, message, open));
        }
    }

    #read({ ids }) {
        for (const id of ids) {
            this.#fresh.delete(id);
            this.#toasts?.remove(id);
        }
    }

    #userChanged({ previous }) {
        this.#news = new News(this.#notifier);
        this.#wakeDesktop();
        if (previous !== "") {
            this.#fresh.clear();
            this.#toasts?.clear();
            this.#announcer.stop();
        }
    }

    #synced(ok) {
        this.#isReachable = ok;
        this.#news.settle();
    }

    #drawBell() {
        const { bell, badge, activity } = this.#parts;
        const { unread, tasks } = this.#notifier;
        const { none, some, running } = bell.dataset;
        const name = unread.count ? some.replace("{n}", unread.more ? `${unread.count}+` : unread.count) : none;
        bell.ariaLabel = tasks.length ? `${name}, ${running.replace("{n}", tasks.length)}` : name;
        badge.textContent = unread.count > 99 ? "99+" : unread.count;
        badge.hidden = !unread.count;
        activity.hidden = !tasks.length;
    }

    // What people do

    #show() {
        this.#parts.panel.showPopover();
        this.#parts.heading.focus();
    }

    #toggle(isOpen) {
        this.#parts.bell.ariaExpanded = isOpen;
        if (isOpen) {
            this.#toasts?.clear();
            this.#showEnd("loading");
            this.#desktop.use((desktop) => desktop.draw()); // its switch
        }
        this.#panel.use((panel) => panel.toggle(isOpen), isOpen);
    }
}
