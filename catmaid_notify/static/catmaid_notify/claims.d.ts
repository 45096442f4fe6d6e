import type { Adapters } from "./index.js";

export interface ClaimOptions {
    /** Ends it; what is still asked for is given. */
    signal?: AbortSignal;
    /** Replaces what it takes from the browser; for tests. */
    adapters?: Pick<Adapters, "BroadcastChannel" | "document" | "window" | "setTimeout" | "clearTimeout" | "random">;
}

/**
 * Return `claim(key)`: of all windows of this browser that ever ask for `key`, it resolves to true in one only, in the one that has the
 * focus if several ask at once. So a toast is shown once.
 *
 * `name` is the same for all pages that share their keys, and another one for another site on the same origin.
 */
export function makeClaims(name: string, options?: ClaimOptions): (key: string) => Promise<boolean>;
