/** Small helpers of the bundled inbox. Text goes in as text only, attributes never hold script or style. */

const SVG = "http://www.w3.org/2000/svg";

/** Outlines on a 24 × 24 grid; the shape tells the level as well as its colour does. */
const ICONS = {
    bell: "M6 9a6 6 0 0 1 12 0c0 5 2 7 2.5 8h-17C4 16 6 14 6 9M10 20.5a2.2 2.2 0 0 0 4 0",
    check: "M4.5 12.5l5 5 10-11",
    close: "M6 6l12 12M18 6L6 18",
    info: "M12 3a9 9 0 1 1 0 18a9 9 0 0 1 0-18M12 11v5.5M12 7.5v.2",
    success: "M12 3a9 9 0 1 1 0 18a9 9 0 0 1 0-18M7.8 12.4l3 3 5.4-6",
    warning: "M12 3.8l9.2 16.4H2.8zM12 10v4.6M12 17.3v.2",
    error: "M8.3 3h7.4L21 8.3v7.4L15.7 21H8.3L3 15.7V8.3zM12 7.5v5.5M12 16.3v.2",
};

/** Return a new element; `children` are nodes, texts, or `null` for nothing. */
export function make(document, name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
        if (typeof value === "function") {
            element.addEventListener(key, value);
        } else if (value !== null && value !== undefined && value !== false) {
            element.setAttribute(key, value === true ? "" : value);
        }
    }
    element.append(...children.filter((child) => child !== null));
    return element;
}

export function icon(document, name) {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    svg.setAttribute("class", "catmaid-notify__icon");
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", ICONS[name]);
    svg.append(path);
    return svg;
}

/** Return the address that a message may link to, or `null`: `http(s)`, or a path on the page's own origin. */
export function safeUrl(action, baseUrl) {
    if (!action) {
        return null;
    }
    try {
        const url = new URL(action, baseUrl);
        return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
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

/** Return a time as people say it: "3 min. ago". `justNow` is what the last 45 s are called. */
export function timeAgo(timeMs, nowMs, language, justNow) {
    const seconds = (nowMs - timeMs) / 1000;
    if (seconds < 45) {
        return justNow; // and what a clock that is behind takes for the future
    }
    const [unit, length] = UNITS.find(([, unitSeconds]) => seconds >= unitSeconds) ?? UNITS[UNITS.length - 1];
    const format = new Intl.RelativeTimeFormat(language || undefined, { numeric: "auto", style: "short" });
    return format.format(-Math.max(1, Math.round(seconds / length)), unit);
}
