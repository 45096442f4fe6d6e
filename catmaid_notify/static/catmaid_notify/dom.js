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

const UNITS = [
    ["year", 31_536_000],
    ["month", 2_592_000],
    ["week", 604_800],
    ["day", 86_400],
    ["hour", 3_600],
    ["minute", 60],
];

/** Return a time as people say it: "3 min. ago"; the last 45 s, and what a clock that is behind takes for the future, are "now". */
export function timeAgo(timeMs, nowMs, language) {
    const seconds = (nowMs - timeMs) / 1000;
    const [unit, length] = UNITS.find(([, unitSeconds]) => seconds >= unitSeconds) ?? ["minute", 60];
    const format = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });
    return seconds < 45 ? format.format(0, "second") : format.format(-Math.max(1, Math.round(seconds / length)), unit);
}
