/**
 * Claims across the windows of one browser: exactly one window gets each key, so that a toast or a sound comes once.
 *
 * This module imports nothing, so that a page can load it alone from static files, under any file name.
 */

const CLAIM_MS = 100; // time for other windows to object

/**
 * Return `claim(key)`. Its promise resolves to true in one window of the browser, and to false in all others that ask for
 * `key`, now or later. The focused window wins over others that ask at the same time.
 *
 * @param {string} name  equal for pages that share keys; sites on the same origin need different names
 * @param {object} [options]
 * @param {AbortSignal} [options.signal]  ends the claims; pending ones resolve to true
 * @param {object} [options.adapters]  replacement for the browser's globals
 */
export function makeClaims(name, { signal, adapters = globalThis } = {}) {
    const { BroadcastChannel, document, window, setTimeout, clearTimeout, random = Math.random } = adapters;
    const id = random();
    const claims = new Map(); // pending ones: key → {rank, resolve, timer}
    const taken = new Set(); // keys that are known to be granted, to any window
    let channel = null;

    function open() {
        if (BroadcastChannel && !channel) {
            channel = new BroadcastChannel(`catmaid-notify:${name}:claims`);
            channel.onmessage = ({ data }) => receive(data);
        }
    }

    /** Close the channel. The back/forward cache takes no page with an open one. */
    function close() {
        channel?.close();
        channel = null;
        for (const key of claims.keys()) {
            settle(key, true);
        }
    }

    async function claim(key) {
        return (
            !taken.has(key) &&
            !claims.has(key) &&
            new Promise((resolve) => {
                const rank = `${document.hasFocus() ? 0 : 1} ${id}`; // among concurrent claims the smallest rank wins
                claims.set(key, { rank, resolve, timer: setTimeout(() => take(key, true), CLAIM_MS) });
                channel?.postMessage({ claim: key, rank });
            })
        );
    }

    function receive(data) {
        const { claim: key, rank } = data;
        const own = claims.get(key);
        if (data.taken) {
            take(data.taken, false);
        } else if (taken.has(key)) {
            channel.postMessage({ taken: key });
        } else if (rank < own?.rank) {
            settle(key, false);
        } else if (own) {
            channel.postMessage({ claim: key, rank: own.rank }); // a window that has asked since doesn't know of our claim
        }
    }

    function take(key, isOurs) {
        taken.add(key);
        if (isOurs) {
            channel?.postMessage({ taken: key });
        }
        settle(key, isOurs);
    }

    function settle(key, isOurs) {
        const { timer, resolve } = claims.get(key) ?? {};
        claims.delete(key);
        clearTimeout(timer);
        resolve?.(isOurs);
    }

    window.addEventListener("pagehide", close, { signal });
    window.addEventListener("pageshow", open, { signal });
    signal?.addEventListener("abort", close);
    open();
    return claim;
}
