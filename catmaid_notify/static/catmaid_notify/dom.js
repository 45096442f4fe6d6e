/** Small helpers of the bundled inbox. Its markup is `templates/catmaid_notify/inbox.html`; scripts put in text, never HTML. */

/** Return the first part of that name within `root`. */
export const part = (root, name) => root.querySelector(`[data-part="${name}"]`);

/** Return a copy of what the `<template>` of that name holds. */
export const copy = (root, name) => part(root, name).content.firstElementChild.cloneNode(true);

/** Put `list` into this state: those of its children that are for it are shown, the others hidden. */
export function showWhen(list, state) {
    list.dataset.state = state;
    for (const child of list.children) {
        child.hidden = !child.matches(`[data-when~="${state}"]`);
    }
}

/** Return the address that a message may link to, or `null`: `http(s)`, or a path on the page's own origin. */
export function safeUrl(action, baseUrl) {
    try {
        const url = new URL(action || "data:", baseUrl);
        return /^https?:$/.test(url.protocol) ? url.href : null;
    } catch {
        return null;
    }
}
