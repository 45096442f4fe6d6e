/** The wire of `/channels/updates/`. A Python test keeps this equal to `catmaid_notify/protocol.py`. */

export const SUBPROTOCOL = "catmaid-notify.v1";

/** Events with a meaning of their own; all others are the site's. */
export const EVENTS = Object.freeze({
    HELLO: "hello",
    NEW_MESSAGE: "new-message",
    MESSAGE_READ: "message-read",
    TASK_PROGRESS: "task-progress",
    PING: "ping",
    PONG: "pong",
    SUBSCRIBE: "subscribe",
    UNSUBSCRIBE: "unsubscribe",
    PUBLISH: "publish",
    SUBSCRIBED: "subscribed",
    UNSUBSCRIBED: "unsubscribed",
    REFUSED: "refused",
});

/** Close codes that the server sends; what each one makes the client do is in `lifecycle.js`. */
export const CLOSE = Object.freeze({
    NO_SESSION: 4401,
    SILENT: 4408,
    TOO_MANY_SOCKETS: 4409,
    OTHER_USER: 4410,
    OLD_DIALECT: 4412,
    TOO_MANY_FRAMES: 4429,
    NO_BROKER: 4503,
});
