import type { Notifier } from "./index.js";

export interface InboxOptions {
    /** Whether new messages are shown as toasts; true by default. */
    toasts?: boolean;
}

/**
 * Bring the bell, its panel and the toasts to life in `element`, which is what `{% catmaid_notify_inbox %}` has put into the page.
 * Returns a function that ends it.
 */
export function attachInbox(notifier: Notifier, element: HTMLElement, options?: InboxOptions): () => void;
