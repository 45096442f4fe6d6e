/** Shows calls as they come, and makes them. */

import { notifierOfPage, showConnection } from "./live.js";

const SHOWN_MAX = 50;
const form = document.getElementById("call");
const list = document.getElementById("calls");
const problem = document.getElementById("problem");

function show({ event, payload }) {
  if (event !== "call") return;
  const item = document.createElement("li");
  const text = document.createElement("strong");
  text.textContent = payload.text;
  item.append(text, ` — ${payload.by}, to ${payload.to}`);
  list.prepend(item);
  while (list.children.length > SHOWN_MAX) list.lastChild.remove();
}

/** Ask for a user or a group only where one is wanted. */
function fit() {
  for (const name of ["user", "group"]) {
    form.elements[name].closest("label").hidden = form.elements.to.value !== name;
  }
}

async function call() {
  problem.textContent = "";
  try {
    const response = await fetch(form.action, { method: "POST", body: new FormData(form), credentials: "same-origin" });
    if (response.ok) {
      form.elements.text.value = "";
    } else {
      problem.textContent = (await response.json()).error;
    }
  } catch {
    problem.textContent = "The server could not be reached. Try again.";
  }
}

form.addEventListener("change", fit);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  call();
});
fit();

const notifier = await notifierOfPage();
notifier.on("event", (event) => event.topic ?? show(event)); // to this user, group, session, everyone
notifier.subscribe(list.dataset.topic, show);
showConnection(notifier, document.getElementById("connection"));
