/** Puts the page of the sheet together: saves cells by HTTP, and shows what others have saved. */

import { notifierOfPage, showConnection } from "./live.js";
import { Cell } from "./sheet.js";

const page = JSON.parse(document.getElementById("page-data").textContent);
const inputs = [...document.querySelectorAll("#sheet input")];
const cells = new Map(inputs.map((input) => [`${input.dataset.row},${input.dataset.column}`, new Cell(input)]));
const conflicts = document.getElementById("conflicts");
const notifier = await notifierOfPage();

const cellAt = ({ row, column }) => cells.get(`${row},${column}`);
const cellOf = (input) => cellAt(input.dataset);

// What is saved

async function request(options = {}) {
  const response = await fetch(page.cellsUrl, { ...options, credentials: "same-origin" });
  if (response.status === 401) window.location.assign(page.loginUrl);
  return { status: response.status, answer: await response.json() };
}

/** Ask for all cells: at first, and whenever changes may have been missed. */
async function refresh() {
  let found;
  try {
    found = await request();
  } catch {
    return; // the next connection asks again
  }
  for (const saved of found.answer.cells ?? []) show(saved);
  for (const { input } of cells.values()) input.disabled = false;
}

/** Show what somebody else has saved; what is being typed in that cell is not lost. */
function show(saved) {
  const cell = cellAt(saved);
  const isFirst = cell.input.disabled;
  const wasTyped = cell.isChanged;
  if (!cell.take(saved) || isFirst) return;
  if (wasTyped && cell.isChanged) conflict(cell, saved);
  else cell.highlight();
}

async function save(cell) {
  if (!cell.isChanged || cell.isSaving) return;
  const { row, column, version, input } = cell;
  const value = input.value;
  settle(cell);
  cell.fail("");
  cell.isSaving = true;
  input.classList.add("saving");
  try {
    const { status, answer } = await request({
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        "X-CSRFToken": document.querySelector("input[name=csrfmiddlewaretoken]").value,
        "X-Sender": notifier.id,
      },
      body: JSON.stringify({ row, column, value, version }),
    });
    if (status === 200) {
      cell.take(answer.cell, { isMine: input.value === value });
    } else if (status === 409) {
      cell.take(answer.cell);
      if (cell.isChanged) conflict(cell, answer.cell);
    } else {
      cell.fail(answer.error ?? "The server did not take it.");
    }
  } catch {
    cell.fail("The server can't be reached. Press Enter to try again.");
  } finally {
    cell.isSaving = false;
    input.classList.remove("saving");
  }
  const isLeft = document.activeElement !== input; // typed on while it was saved, and done with it
  if (isLeft && input.value !== value && !isInConflict(cell)) void save(cell);
}

// Conflicts

/** Ask whose value shall stay. */
function conflict(cell, { value, by }) {
  settle(cell);
  const item = document.createElement("li");
  item.dataset.row = cell.row;
  item.dataset.column = cell.column;
  const text = document.createElement("span");
  const theirs = value === "" ? "nothing" : `“${value}”`;
  text.textContent = `${cell.name}: ${by || "Somebody"} has saved ${theirs}. You have typed “${cell.input.value}”.`;
  item.append(
    text,
    button("Take theirs", () => {
      cell.revert();
      settle(cell);
    }),
    button("Save mine", () => save(cell)),
  );
  conflicts.append(item);
  cell.input.classList.add("conflict");
}

function settle(cell) {
  cell.input.classList.remove("conflict");
  for (const item of [...conflicts.children]) {
    if (cellAt(item.dataset) === cell) item.remove();
  }
}

function button(label, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = label;
  made.addEventListener("click", act);
  return made;
}

// Typing

const isInConflict = ({ input }) => input.classList.contains("conflict");

document.getElementById("sheet").addEventListener("change", ({ target }) => {
  const cell = cellOf(target);
  if (!isInConflict(cell)) void save(cell);
});
document.getElementById("sheet").addEventListener("keydown", ({ key, target }) => {
  const cell = cellOf(target);
  if (key === "Escape") {
    cell.revert();
    settle(cell);
  } else if (key === "Enter") {
    if (!isInConflict(cell)) void save(cell);
    cellAt({ row: cell.row + 1, column: cell.column })?.input.focus();
  }
});

// News

notifier.subscribe(page.topic, ({ event, payload, sender }) => {
  if (event === "cell" && sender !== notifier.id) show(payload);
});
// Only what is published while we are connected comes by itself.
notifier.on("state", ({ state }) => {
  if (state === "live" || state === "follower") void refresh();
});
notifier.on("sync", () => {
  if (notifier.transport === "polling") void refresh();
});
showConnection(notifier, document.getElementById("connection"));
void refresh();
