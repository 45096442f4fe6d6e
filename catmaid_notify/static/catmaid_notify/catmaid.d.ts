import type { Notifier } from "./index.js";

/** The parts of the global `CATMAID` object that the adapter uses. */
export interface Catmaid {
    client: { refreshBackChannel(): void; closeBackChannel(): void };
    Client: { messageHandlers: Map<string, (client: never, payload: never) => void> };
}

/** Deliver messages and events to CATMAID's own message handlers, and switch its socket and poller off. */
export function feedCatmaid(notifier: Notifier, catmaid: Catmaid): void;
