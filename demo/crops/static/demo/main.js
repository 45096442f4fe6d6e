/** Puts the page together. */

import { Crops, Refusal } from "./crops.js";
import { RegionForm } from "./regionform.js";
import { Viewer } from "./viewer.js";

const page = JSON.parse(document.getElementById("page-data").textContent);
const stacks = new Map(page.stacks.map((stack) => [stack.name, stack]));
const element = (id) => document.getElementById(id);

const trouble = element("trouble");
const viewer = new Viewer({
  canvas: element("slice"),
  pictureSize: page.pictureSize,
  pictureUrl: (stack, place) => page.pictureUrl.replace("{stack}", stack).replace("{place}", place),
  failed(status, text) {
    if (status === 401) signIn();
    trouble.textContent = text;
    trouble.hidden = false;
  },
});
const form = new RegionForm({ form: element("region"), bytesMax: page.bytesMax });
const crops = new Crops({ url: page.cropsUrl, list: element("crops"), none: element("no-crops"), signedOut: signIn });

function signIn() {
  window.location.assign(page.loginUrl);
}

// Stack, slice, magnification, tool

const stackSelect = element("stack");
const slider = element("z");

function showStack() {
  const stack = stacks.get(stackSelect.value);
  trouble.hidden = true;
  slider.max = String(stack.shape[0] - 1);
  viewer.show(stack);
  form.show(stack);
}

stackSelect.addEventListener("change", showStack);
slider.addEventListener("input", () => viewer.goTo(Number(slider.value)));
element("zoom-in").addEventListener("click", () => viewer.zoom(Math.SQRT2));
element("zoom-out").addEventListener("click", () => viewer.zoom(Math.SQRT1_2));
element("zoom-fit").addEventListener("click", () => viewer.fit());
for (const radio of document.querySelectorAll("input[name=tool]")) {
  radio.addEventListener("change", () => {
    viewer.tool = radio.value;
  });
}
viewer.addEventListener("slice", ({ detail: z }) => {
  trouble.hidden = true;
  slider.value = String(z);
  element("z-shown").textContent = `${z} of 0–${slider.max}`;
  element("slice").setAttribute("aria-label", `Slice ${z} of ${stackSelect.selectedOptions[0].text}`);
});
viewer.addEventListener("view", ({ detail: view }) => {
  element("zoom-shown").textContent = `${Number((view.scale * 100).toPrecision(3))} %`;
});
viewer.addEventListener("pointer", ({ detail: position }) => {
  element("pointer").textContent = position ? `x ${position.x}, y ${position.y}` : "";
});

// The region, drawn or typed

viewer.addEventListener("rectangle", ({ detail: rectangle }) => form.setRectangle(rectangle));
form.addEventListener("region", () => viewer.setRegion(form.rectangle, form.range));
element("whole-slice").addEventListener("click", () => {
  const [, height, width] = form.stack.shape;
  form.setRectangle({ x0: 0, y0: 0, x1: width, y1: height });
});
element("all-slices").addEventListener("click", () => form.setRange(0, form.stack.shape[0] - 1));
element("this-slice").addEventListener("click", () => form.setRange(viewer.z, viewer.z));

form.addEventListener("submit", async ({ detail: region }) => {
  form.busy = true;
  try {
    const crop = await crops.begin(region);
    form.succeed(`The crop of ${crop.dimensions} pixels has begun. A message will tell you when it is ready.`);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    form.fail(error.message, error.field);
  } finally {
    form.busy = false;
  }
});

// News from the server, by the client that {% catmaid_notify %} has put into the page

/** @param {{on: Function, tasks: object[]}} notifier  of catmaid_notify */
function listen(notifier) {
  notifier.on("tasks", (tasks) => crops.follow(tasks));
  notifier.on("progress", (task) => {
    if (task.state === "running") return;
    form.succeed("");
    void crops.refresh();
  });
  notifier.on("message", () => crops.refresh()); // a page that polls hears of the end by its message only
  crops.follow(notifier.tasks);
}

if (window.catmaidNotify) listen(window.catmaidNotify);
else document.addEventListener("catmaid-notify:ready", ({ detail }) => listen(detail.notifier), { once: true });

showStack();
void crops.refresh();
