/** Relative times, such as "3 min. ago". */

const UNITS = [
    ["year", 31_536_000],
    ["month", 2_592_000],
    ["week", 604_800],
    ["day", 86_400],
    ["hour", 3_600],
    ["minute", 60],
];

/** Return the time relative to `nowMs`; "now" up to 45 s, and for future times, which a slow clock produces. */
export function relativeTime(timeMs, nowMs, language) {
    const seconds = (nowMs - timeMs) / 1000;
    const [unit, length] = UNITS.find(([, unitSeconds]) => seconds >= unitSeconds) ?? ["minute", 60];
    const format = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });
    return seconds < 45 ? format.format(0, "second") : format.format(-Math.max(1, Math.round(seconds / length)), unit);
}

/** Update the `<time>` elements below `element`. */
export function updateTimes(element, language) {
    for (const time of element.querySelectorAll("time")) {
        const date = new Date(time.dateTime);
        if (!Number.isNaN(date.valueOf())) {
            time.textContent = relativeTime(date, Date.now(), language);
            time.title = date.toLocaleString(language);
        }
    }
}

/** Return the language tag of an element for `Intl`; `undefined`, the browser's default, unless it is valid. */
export function languageOf({ lang }) {
    try {
        return Intl.getCanonicalLocales(lang)[0];
    } catch {
        return undefined;
    }
}
