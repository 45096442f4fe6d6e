import type { Notifier } from "./index.js";

export interface InboxOptions {
    /** Replaces some of the texts in `texts.js`. */
    texts?: Record<string, unknown>;
    /** Whether new messages are shown as toasts; true by default. */
    toasts?: boolean;
}

/** Put the bundled bell, its panel and the toasts into `element`; returns a function that takes everything away again. */
export function attachInbox(notifier: Notifier, element: HTMLElement, options?: InboxOptions): () => void;
