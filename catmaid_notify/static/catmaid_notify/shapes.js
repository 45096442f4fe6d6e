/** From JSON that came over the network to frozen objects whose fields have the types that they should have. */

const MESSAGE = { time: "", title: "", text: "", action: "", level: ["info", "success", "warning", "error"], read: false };
const TASK = { title: "", state: ["running", "success", "failure"], done: 0, total: 0, text: "", updated: "" };

/** Return a message, or `null` when it has no usable id. */
export const toMessage = (raw) => (isId(raw?.id) ? shape(MESSAGE, raw) : null);

/** Return a task, or `null` when it has no usable id. */
export const toTask = (raw) => (raw?.id && typeof raw.id === "string" ? shape(TASK, raw) : null);

/** Return the ids in `raw` that can be ids of messages. */
export const toIds = (raw) => list(raw).filter(isId);

/** Return the answer of `notify/unread`, or `null` when it isn't one (a login page, a proxy's error page …). */
export function toUnreadSet(raw) {
    const { user, count, more, messages, tasks } = raw ?? {};
    return typeof user === "string" && isId(count) && Array.isArray(messages)
        ? {
              user,
              count,
              more: more === true,
              messages: messages.map(toMessage).filter((message) => message && !message.read),
              tasks: list(tasks).map(toTask).filter(Boolean),
          }
        : null;
}

const isId = Number.isSafeInteger;
const list = (value) => (Array.isArray(value) ? value : []);

/** Take what is in `fields`, by its type: one of a list, else its first; a number from 0; or else like the default. */
function shape(fields, raw) {
    const result = { id: raw.id };
    for (const [name, like] of Object.entries(fields)) {
        const value = raw[name];
        const isRight = Array.isArray(like) ? like.includes(value) : typeof value === typeof like && !(value < 0);
        result[name] = isRight ? value : Array.isArray(like) ? like[0] : like;
    }
    return Object.freeze(result);
}
