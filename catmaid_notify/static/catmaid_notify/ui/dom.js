/** DOM helpers for the markup in `templates/catmaid_notify/inbox.html`. Scripts insert text only, never HTML. */

/** Return the first element with this `data-part` below `root`. */
export const part = (root, name) => root.querySelector(`[data-part="${name}"]`);

/** Return a copy of the content of the `<template>` with this `data-part`. */
export const copy = (root, name) => part(root, name).content.firstElementChild.cloneNode(true);

/** Show the children of `list` whose `data-when` has this state, and hide the others. */
export function showWhen(list, state) {
    list.dataset.state = state;
    for (const child of list.children) {
        child.hidden = !child.matches(`[data-when~="${state}"]`);
    }
}

/** Return the absolute URL of an action, or `null` unless it is `http(s)` or a relative path. */
export function safeUrl(action, baseUrl) {
    try {
        const url = new URL(action || "data:", baseUrl);
        return /^https?:$/.test(url.protocol) ? url.href : null;
    } catch {
        return null;
    }
}
