/** From JSON that came over the network to frozen objects whose fields have the types that they should have. */

const LEVELS = new Set(["info", "success", "warning", "error"]);
const TASK_STATES = new Set(["running", "success", "failure"]);

const text = (value) => (typeof value === "string" ? value : "");
const amount = (value) => (Number.isFinite(value) && value > 0 ? value : 0);

/** Return a message, or `null` when it has no usable id. */
export function toMessage(raw) {
    if (!Number.isSafeInteger(raw?.id)) {
        return null;
    }
    return Object.freeze({
        id: raw.id,
        time: text(raw.time),
        title: text(raw.title),
        text: text(raw.text),
        action: text(raw.action),
        level: LEVELS.has(raw.level) ? raw.level : "info",
        read: raw.read === true,
    });
}

/** Return a task, or `null` when it has no usable id. */
export function toTask(raw) {
    if (typeof raw?.id !== "string" || raw.id === "") {
        return null;
    }
    return Object.freeze({
        id: raw.id,
        title: text(raw.title),
        state: TASK_STATES.has(raw.state) ? raw.state : "running",
        done: amount(raw.done),
        total: amount(raw.total),
        text: text(raw.text),
        updated: text(raw.updated),
    });
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
        messages: raw.messages.map(toMessage).filter((message) => message !== null && !message.read),
        tasks: (Array.isArray(raw.tasks) ? raw.tasks : []).map(toTask).filter((task) => task !== null),
    };
}

/** Return the ids in `raw` that can be ids of messages. */
export function toIds(raw) {
    return (Array.isArray(raw) ? raw : []).filter((id) => Number.isSafeInteger(id));
}
