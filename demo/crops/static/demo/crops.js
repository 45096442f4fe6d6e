/** The user's crops: begins one, lists the latest. */

import { megabytes } from "./region.js";

const STATES = { queued: "waiting", running: "running", done: "done", failed: "failed", expired: "expired" };
const FAILED = "The server can't be reached. Please try again.";

export class Refusal extends Error {
  /** @param {string} text  for the user  @param {string} field  the entry that is wrong, or "" */
  constructor(text, field = "") {
    super(text);
    this.field = field;
  }
}

export class Crops {
  /** @param {{url: string, list: HTMLElement, none: HTMLElement, signedOut: () => void}} options */
  constructor({ url, list, none, signedOut }) {
    this.url = url;
    this.list = list;
    this.none = none;
    this.signedOut = signedOut;
    this.rounds = 0;
    /** @type {Map<string, {done: number, total: number, text: string}>} running tasks by the id of their crop */
    this.tasks = new Map();
  }

  /** Show how far these tasks are; a crop's task has the id of the crop. */
  follow(tasks) {
    this.tasks = new Map(tasks.map((task) => [task.id, task]));
    this.decorate();
  }

  decorate() {
    for (const li of this.list.children) {
      const task = this.tasks.get(li.dataset.id);
      const bar = li.querySelector("progress");
      bar.hidden = !task;
      if (!task) continue;
      li.dataset.state = "running";
      li.querySelector(".state").textContent = STATES.running;
      bar.max = task.total || 1;
      if (task.total) bar.value = task.done;
      else bar.removeAttribute("value");
    }
  }

  /** Ask for a crop. Throws a Refusal with words for the user. */
  async begin(region) {
    const headers = { "Content-Type": "application/json", "X-CSRFToken": csrfToken() };
    const response = await this.request({ method: "POST", headers, body: JSON.stringify(region) });
    void this.refresh();
    return response;
  }

  /** Show the list as the server has it. */
  async refresh() {
    this.rounds += 1;
    const round = this.rounds;
    let answer;
    try {
      answer = await this.request({});
    } catch (error) {
      if (error instanceof Refusal) return; // the list stays as it is
      throw error;
    }
    if (round !== this.rounds) return; // a later request has begun meanwhile
    this.none.hidden = answer.crops.length > 0;
    this.list.replaceChildren(...answer.crops.map(item));
    this.decorate();
  }

  async request(options) {
    let response;
    try {
      response = await fetch(this.url, { ...options, credentials: "same-origin" });
    } catch {
      throw new Refusal(FAILED);
    }
    if (response.status === 403) throw new Refusal("You have signed in again elsewhere. Please reload this page.");
    if (response.status === 401) {
      this.signedOut();
      throw new Refusal("You are not signed in.");
    }
    const answer = await response.json().catch(() => null);
    if (!response.ok || !answer) {
      throw new Refusal(answer?.error ?? `The server answered with an error (${response.status}).`, answer?.field);
    }
    return answer;
  }
}

function item(crop) {
  const li = document.createElement("li");
  li.dataset.state = crop.state;
  li.dataset.id = crop.id;
  const title = document.createElement(crop.url ? "a" : "span");
  title.className = "title";
  title.textContent = crop.title;
  if (crop.url) {
    title.href = crop.url;
    title.setAttribute("aria-label", `Download ${crop.title}, ${crop.dimensions} pixels`);
  }
  const state = document.createElement("span");
  state.className = "state";
  state.textContent = STATES[crop.state] ?? crop.state;
  const facts = document.createElement("span");
  facts.className = "facts";
  const time = new Date(crop.created).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  facts.textContent = [`${crop.dimensions} pixels`, crop.bytes ? megabytes(crop.bytes) : "", time]
    .filter(Boolean)
    .join(" · ");
  const bar = document.createElement("progress");
  bar.setAttribute("aria-label", `Progress of ${crop.title}`);
  bar.hidden = true;
  li.append(title, state, facts, bar);
  if (crop.error) {
    const why = document.createElement("span");
    why.className = "why";
    why.textContent = crop.error;
    li.append(why);
  }
  return li;
}

function csrfToken() {
  return document.querySelector("input[name=csrfmiddlewaretoken]")?.value ?? "";
}
