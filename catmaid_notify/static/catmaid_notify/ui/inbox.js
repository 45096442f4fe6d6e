/** Bundled inbox: bell and toasts. */

import { makeClaims } from "../claims.js";
import { makeLazy } from "../core/lazy.js";
import { parseMessage } from "../core/validate.js";
import { OLD_DIALECT } from "../protocol.js";
import { Announcer } from "./announcer.js";
import { desktopSetting } from "./desktop_setting.js";
import { showWhen } from "./dom.js";
import { drawMessage } from "./message.js";
import { SeenMessages } from "./seen.js";
import { Toasts } from "./toasts.js";

/**
 * Attach the bundled bell, its panel and the toasts to their markup.
 *
 * @param {object} notifier  from `createNotifier`
 * @param {Element} element  the markup of `{% catmaid_notify %}` or `{% catmaid_notify_inbox %}`
 * @param {object} [options]
 * @param {boolean} [options.toasts=true]  whether new messages are shown as toasts
 * @returns {function(): void}  detaches them
 */
export function attachInbox(notifier, element, { toasts = true } = {}) {
    const inbox = new Inbox(notifier, element, toasts);
    return () => inbox.detach();
}

/** Controller of bell and toasts. It loads the panel and desktop notifications on first use. */
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
    #seen;
    #fresh = new Map(); // id → new message, until this tab is visible
    #isReachable = true;

    constructor(notifier, root, withToasts) {
        const { signal } = this.#controller;
        this.#notifier = notifier;
        this.#root = root;
        this.#parts = Object.fromEntries([...root.querySelectorAll("[data-part]")].map((found) => [found.dataset.part, found]));
        const { live } = this.#parts;
        this.#seen = new SeenMessages(notifier);
        this.#claim = makeClaims(notifier.messagesUrl, { signal });
        this.#announcer = new Announcer({
            adapters: globalThis,
            say: (text) => (live.textContent = text),
            describe: ({ length, 0: title }) =>
                length === 1 ? live.dataset.one.replace("{title}", () => title) : live.dataset.many.replace("{n}", length),
        });
        const context = { notifier, root, parts: this.#parts, signal };
        this.#panel = makeLazy(
            async () => {
                const { Panel } = await import("./panel.js");
                return new Panel({ ...context, isReachable: () => this.#isReachable, core: { OLD_DIALECT, parseMessage } });
            },
            () => this.#showEnd("failed"),
        );
        this.#desktop = makeLazy(
            async () => {
                const { DesktopNotifications } = await import("./desktop.js");
                return new DesktopNotifications({ ...context, setting: desktopSetting, open: () => this.#show() });
            },
            (_, retry) => notifier.addEventListener("sync", retry, { once: true, signal }),
        );
        if (withToasts) {
            this.#toasts = new Toasts(root, () => this.#show());
        }
        showWhen(this.#parts.state, ""); // the panel fills it in
        this.#listen();
        this.#drawBell();
        this.#loadDesktop();
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
        on("message", (detail) => this.#onMessage(detail));
        on("unread", () => this.#drawBell());
        on("read", (detail) => this.#onRead(detail));
        on("tasks", () => this.#drawBell());
        on("user", (detail) => this.#onUser(detail));
        on("sync", ({ ok }) => {
            this.#isReachable = ok;
            this.#seen.save();
        });
        panel.addEventListener("beforetoggle", ({ newState }) => this.#toggle(newState === "open"), { signal });
        // A loaded panel has its own listener.
        retry.addEventListener("click", () => this.#panel.part ?? this.#toggle(true), { signal });
        for (const type of ["pointerenter", "focus"]) {
            bell.addEventListener(type, () => this.#panel.use(() => {}), { signal, once: true }); // preload: a click may follow
        }
        this.#root.ownerDocument.addEventListener("visibilitychange", () => this.#showFresh(), { signal });
        globalThis.addEventListener("storage", () => this.#loadDesktop(), { signal });
        globalThis.addEventListener("pageshow", ({ persisted }) => persisted && this.#seen.resume(), { signal });
    }

    // Lazy parts

    /** Show the state of loading at the end of the list, until the panel does it itself. */
    #showEnd(state) {
        if (!this.#panel.part) {
            showWhen(this.#parts.end, state);
        }
    }

    /** Load desktop notifications if they are on, which another tab or user may have changed. */
    #loadDesktop() {
        this.#desktop.use(() => {}, this.#wantsDesktop);
    }

    get #wantsDesktop() {
        return desktopSetting.isOn(this.#notifier);
    }

    // Events of the notifier

    #onMessage({ message, backlog }) {
        if (this.#seen.isNew(message, backlog)) {
            this.#desktop.use((desktop) => this.#isUnread(message.id) && desktop.add(message), this.#wantsDesktop);
            this.#fresh.set(message.id, message);
            this.#showFresh();
        }
    }

    /** Show new messages, if this tab is visible and no other window has claimed them. */
    #showFresh() {
        if (!this.#root.ownerDocument.hidden) {
            for (const [id, message] of this.#fresh) {
                this.#claim(`toast ${id}`).then((isOurs) => isOurs && this.#isUnread(id) && this.#showToast(message));
            }
            this.#fresh.clear();
        }
    }

    /** Return whether a message is still unread: since its arrival it may have been read, or another user signed in. */
    #isUnread(id) {
        return this.#notifier.unread.messages.some((message) => message.id === id);
    }

    #showToast(message) {
        this.#announcer.add(message.title);
        if (!this.#parts.panel.matches(":popover-open")) {
            const open = ({ button }) => button < 2 && this.#notifier.markRead(message.id);
            this.#toasts?.add(message.id, drawMessage(this.#root, message, open));
        }
    }

    #onRead({ ids }) {
        for (const id of ids) {
            this.#fresh.delete(id);
            this.#toasts?.remove(id);
        }
    }

    #onUser({ previous }) {
        this.#seen = new SeenMessages(this.#notifier);
        this.#loadDesktop();
        if (previous !== "") {
            this.#fresh.clear();
            this.#toasts?.clear();
            this.#announcer.stop();
        }
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

    // User actions

    #show() {
        this.#parts.panel.showPopover();
        this.#parts.heading.focus();
    }

    #toggle(isOpen) {
        this.#parts.bell.ariaExpanded = isOpen;
        if (isOpen) {
            this.#toasts?.clear();
            this.#showEnd("loading");
            this.#desktop.use((desktop) => desktop.draw()); // the checkbox in the panel
        }
        this.#panel.use((panel) => panel.toggle(isOpen), isOpen);
    }
}
