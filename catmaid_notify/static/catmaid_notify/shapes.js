/** From JSON that came over the network to frozen objects whose fields have the types that they should have. */

const LEVELS = ["info", "success", "warning", "error"];

/** Return a message, or `null` when it has no usable id. */
export function toMessage(raw) {
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

/** Return the ids in `raw` that can be ids of messages. */
export const toIds = (raw) => list(raw).filter(isId);

/** Return the answer of `notify/unread`, or `null` when it isn't one (a login page, a proxy's error page …). */
export function toUnreadSet(raw) {
    const { user, count, more, messages, tasks } = raw ?? {};
    return typeof user === "string" && isId(count) && Array.isArray(messages)
        ? {
              ...raw,
              more: more === true,
              messages: messages.map(toMessage).filter((message) => message && !message.read),
              tasks: list(tasks), // as they are: tasks.js looks into them, where there are any
          }
        : null;
}

const isId = Number.isSafeInteger;
const list = (value) => (Array.isArray(value) ? value : []);
const toText = (value) => (typeof value === "string" ? value : "");
