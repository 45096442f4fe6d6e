import type { Notifier } from "./index.js";

/** CATMAID's global object, as far as the adapter needs it. */
export interface Catmaid {
    client: { refreshBackChannel(): void; closeBackChannel(): void };
    Client: { messageHandlers: Map<string, (client: never, payload: never) => void> };
}

/** Feed CATMAID's front end: its handlers of messages get what comes in, and its own socket and poller rest. */
export function feedCatmaid(notifier: Notifier, catmaid: Catmaid): void;
