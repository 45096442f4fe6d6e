/** Constants of the wire protocol of `/channels/updates/`. A Python test compares them with `catmaid_notify/protocol.py`. */

export const SUBPROTOCOL = "catmaid-notify.v1";

// Events of the protocol itself; all other names belong to the site.
export const HELLO = "hello";
export const NEW_MESSAGE = "new-message";
export const MESSAGE_READ = "message-read";
export const TASK_PROGRESS = "task-progress";
export const PING = "ping";
export const PONG = "pong";
export const SUBSCRIBE = "subscribe";
export const UNSUBSCRIBE = "unsubscribe";
export const PUBLISH = "publish";
export const SUBSCRIBED = "subscribed";
export const UNSUBSCRIBED = "unsubscribed";
export const REFUSED = "refused";

// Close codes of the server; `core/lifecycle.js` reacts to them.
export const NO_SESSION = 4401;
export const SILENT = 4408;
export const TOO_MANY_SOCKETS = 4409;
export const OTHER_USER = 4410;
export const OLD_DIALECT = 4412;
export const TOO_MANY_FRAMES = 4429;
export const NO_BROKER = 4503;
