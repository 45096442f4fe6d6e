import type { Adapters } from "./index.js";

export interface ClaimOptions {
    /** Ends the claims; pending ones resolve to true. */
    signal?: AbortSignal;
    /** Replacement for the browser's globals, for tests. */
    adapters?: Pick<Adapters, "BroadcastChannel" | "document" | "window" | "setTimeout" | "clearTimeout" | "random">;
}

/**
 * Return `claim(key)`. Its promise resolves to true in one window of the browser, and to false in all others that ask for `key`,
 * now or later; so a toast is shown once. The focused window wins over others that ask at the same time.
 *
 * `name` is equal for pages that share keys; sites on the same origin need different names.
 */
export function makeClaims(name: string, options?: ClaimOptions): (key: string) => Promise<boolean>;
