const CLAIM_MS = 100; // for other windows to object

/**
 * Return `claim(key)`, which resolves to whether this is the window, of all in this browser that ask or ever asked, that gets `key`:
 * so a toast or a sound comes once. The window that has the focus comes first.
 *
 * @param {string} name  the same for all pages that share keys, another one for another site on the same origin
 * @param {object} [options]
 * @param {AbortSignal} [options.signal]  ends it; what is still asked for is given
 * @param {object} [options.adapters]  replaces what it takes from the browser
 *
 * This module imports nothing, so that pages can import it from static files with whatever names.
 */
export function makeClaims(name, { signal, adapters = globalThis } = {}) {
    const { BroadcastChannel, document, window, setTimeout, clearTimeout, random = Math.random } = adapters;
    const id = random();
    const claims = new Map(); // key → {rank, resolve, timer}, while others may object
    const taken = new Set(); // keys that some window has got
    let channel = null;

    function open() {
        if (BroadcastChannel && !channel) {
            channel = new BroadcastChannel(`catmaid-notify:${name}:claims`);
            channel.onmessage = ({ data }) => receive(data);
        }
    }

    /** A page that is kept for the Back button must not hear anything, or it isn't kept. */
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
                const rank = `${document.hasFocus() ? 0 : 1} ${id}`; // of several that ask at once, the smallest one gets it
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
            channel.postMessage({ claim: key, rank: own.rank }); // who asks since has not heard of it
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
