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

/** Bring the times within `element` up to date. */
export function drawTimes(element, language) {
    for (const time of element.querySelectorAll("time")) {
        const date = new Date(time.dateTime);
        if (!Number.isNaN(date.valueOf())) {
            time.textContent = timeAgo(date, Date.now(), language);
            time.title = date.toLocaleString(language);
        }
    }
}

/** Return the language of an element, as `Intl` takes it; `undefined`, which is the browser's, where it has none that is valid. */
export function languageOf({ lang }) {
    try {
        return Intl.getCanonicalLocales(lang)[0];
    } catch {
        return undefined;
    }
}
