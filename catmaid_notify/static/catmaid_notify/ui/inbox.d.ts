import type { Notifier } from "../index.js";

export interface InboxOptions {
    /** Whether new messages are shown as toasts; true by default. */
    toasts?: boolean;
}

/**
 * Attach the bell, its panel and the toasts to `element`, the markup of `{% catmaid_notify_inbox %}`.
 * Returns a function that detaches them.
 */
export function attachInbox(notifier: Notifier, element: HTMLElement, options?: InboxOptions): () => void;
