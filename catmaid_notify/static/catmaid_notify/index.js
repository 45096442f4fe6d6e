/** Public entry point of the client. Importing it has no side effects; `auto.js` is the one that starts a notifier. */
export { createNotifier } from "./core/notifier.js";
