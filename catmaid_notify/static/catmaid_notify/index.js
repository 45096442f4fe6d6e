/** The public part of the client. Importing it does nothing; `auto.js` is what the template tag loads. */
export { createNotifier } from "./notifier.js";
