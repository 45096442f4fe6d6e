/** The public parts of the client. Importing it does nothing; `auto.js` is what the template tag loads. */
export { createNotifier, Notifier } from "./notifier.js";
