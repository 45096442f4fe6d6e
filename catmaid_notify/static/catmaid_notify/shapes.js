/** From JSON that came over the network to frozen objects whose fields have the types that they should have. */

const text = (value) => (typeof value === "string" ? value : "");
const amount = (value) => (Number.isFinite(value) && value > 0 ? value : 0);
const list = (value) => (Array.isArray(value) ? value : []);
const oneOf = (values, value) => (values.includes(value) ? value : values[0]);

/** Return a message, or `null` when it has no usable id. */
export function toMessage(raw) {
    return Number.isSafeInteger(raw?.id)
        ? Object.freeze({
              id: raw.id,
              time: text(raw.time),
              title: text(raw.title),
              text: text(raw.text),
              action: text(raw.action),
              level: oneOf(["info", "success", "warning", "error"], raw.level),
              read: raw.read === true,
          })
        : null;
}

/** Return a task, or `null` when it has no usable id. */
export function toTask(raw) {
    return text(raw?.id)
        ? Object.freeze({
              id: raw.id,
              title: text(raw.title),
              state: oneOf(["running", "success", "failure"], raw.state),
              done: amount(raw.done),
              total: amount(raw.total),
              text: text(raw.text),
              updated: text(raw.updated),
          })
        : null;
}

/** Return the answer of `notify/unread`, or `null` when it isn't one (a login page, a proxy's error page …). */
export function toUnreadSet(raw) {
    if (typeof raw?.user !== "string" || !Array.isArray(raw.messages) || !Number.isSafeInteger(raw.count)) {
        return null;
    }
    return {
        user: raw.user,
        count: raw.count,
        more: raw.more === true,
        messages: raw.messages.map(toMessage).filter((message) => message && !message.read),
        tasks: list(raw.tasks).map(toTask).filter(Boolean),
    };
}

/** Return the ids in `raw` that can be ids of messages. */
export function toIds(raw) {
    return list(raw).filter(Number.isSafeInteger);
}
