/** Validation of JSON from the network. Each field of a result has its declared type. */

const LEVELS = ["info", "success", "warning", "error"];

/** Return a frozen message, or `null` without a valid id. */
export function parseMessage(raw) {
    const { id, time, title, text, action, level, read } = raw ?? {};
    return isId(id)
        ? Object.freeze({
              id,
              time: toText(time),
              title: toText(title),
              text: toText(text),
              action: toText(action),
              level: LEVELS.includes(level) ? level : LEVELS[0],
              read: read === true,
          })
        : null;
}

/** Return the valid message ids in `raw`. */
export const parseIds = (raw) => list(raw).filter(isId);

/** Return the unread set of `notify/unread`, or `null` for any other response, such as a login page or a proxy's error page. */
export function parseUnreadSet(raw) {
    const { user, count, more, messages, tasks } = raw ?? {};
    return typeof user === "string" && isId(count) && Array.isArray(messages)
        ? {
              ...raw,
              more: more === true,
              messages: messages.map(parseMessage).filter((message) => message && !message.read),
              tasks: list(tasks), // not validated here: `tasks.js` does it, which loads with the first task
          }
        : null;
}

const isId = Number.isSafeInteger;
const list = (value) => (Array.isArray(value) ? value : []);
const toText = (value) => (typeof value === "string" ? value : "");
