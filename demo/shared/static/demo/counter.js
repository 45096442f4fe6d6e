/** Shows the counter. Its last value comes with each subscription, so it is right after every reconnect. */

import { notifierOfPage, showConnection } from "./live.js";

const notifier = await notifierOfPage();
const output = document.getElementById("counter");

notifier.subscribe(output.dataset.topic, ({ event, payload }) => {
  if (event === "value") output.textContent = String(payload);
});
showConnection(notifier, document.getElementById("connection"));
