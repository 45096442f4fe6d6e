/** The form of the region: its numbers, the estimate, and what is wrong with them. Emits "region" and "submit". */

import { clamp } from "./geometry.js";
import { length, megabytes, resultShape } from "./region.js";

/** Which fields the server means by its names. */
const FIELDS = { x: "left", y: "top", z: "first", zoom: "zoom", size: "width" };

export class RegionForm extends EventTarget {
  /** @param {{form: HTMLFormElement, bytesMax: number}} options */
  constructor({ form, bytesMax }) {
    super();
    this.form = form;
    this.bytesMax = bytesMax;
    this.estimate = form.querySelector("#estimate");
    this.error = form.querySelector("#region-error");
    this.done = form.querySelector("#region-done");
    form.addEventListener("input", () => this.changed());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
  }

  /** @param {import("./region.js").Stack} stack */
  show(stack) {
    this.stack = stack;
    const [depth, height, width] = stack.shape;
    const { left, top, width: w, height: h, first, last, zoom } = this.form.elements;
    for (const [field, most] of [
      [left, width - 1],
      [top, height - 1],
      [w, width],
      [h, height],
      [first, depth - 1],
      [last, depth - 1],
    ]) {
      field.max = String(most);
    }
    first.value = String(clamp(Number(first.value) || 0, 0, depth - 1));
    last.value = String(last.value === "" ? depth - 1 : clamp(Number(last.value), 0, depth - 1));
    zoom.replaceChildren(
      ...Array.from({ length: stack.zoomLevels }, (_, level) => {
        const [x, y] = stack.resolutionNm;
        const scale = level === 0 ? "full" : `1 : ${2 ** level}`;
        return new Option(`${scale} (${length(x * 2 ** level)} × ${length(y * 2 ** level)} a pixel)`, String(level));
      }),
    );
    this.changed();
  }

  /** Show a rectangle that was drawn; ``null``: none. */
  setRectangle(rectangle) {
    const { left, top, width, height } = this.form.elements;
    left.value = rectangle ? String(rectangle.x0) : "";
    top.value = rectangle ? String(rectangle.y0) : "";
    width.value = rectangle ? String(rectangle.x1 - rectangle.x0) : "";
    height.value = rectangle ? String(rectangle.y1 - rectangle.y0) : "";
    this.changed();
  }

  setRange(first, last) {
    this.form.elements.first.value = String(first);
    this.form.elements.last.value = String(last);
    this.changed();
  }

  /** @returns {number | null} ``null`` where there is no whole number */
  value(name) {
    const { value } = this.form.elements[name];
    return /^-?\d+$/.test(value) ? Number(value) : null;
  }

  /** @returns {import("./region.js").Rectangle | null} ``null`` unless all numbers are there and within the slice */
  get rectangle() {
    const [x0, y0, width, height] = ["left", "top", "width", "height"].map((name) => this.value(name));
    const [, rows, columns] = this.stack.shape;
    if ([x0, y0, width, height].includes(null) || x0 < 0 || y0 < 0 || width < 1 || height < 1) return null;
    if (x0 + width > columns || y0 + height > rows) return null;
    return { x0, y0, x1: x0 + width, y1: y0 + height };
  }

  /** @returns {number[]} first and last slice */
  get range() {
    return [this.value("first") ?? 0, this.value("last") ?? -1];
  }

  changed() {
    this.clear();
    this.dispatchEvent(new CustomEvent("region"));
    const { rectangle, stack } = this;
    const [first, last] = this.range;
    this.estimate.classList.remove("too-large");
    if (!rectangle || last < first) {
      this.estimate.textContent = "";
      return;
    }
    const zoom = Number(this.form.elements.zoom.value);
    const shape = resultShape(rectangle, first, last, zoom, stack);
    const bytes = shape.reduce((product, each) => product * each, stack.bytesPerPixel);
    const [x, y, z] = stack.resolutionNm;
    const sizes = [shape[0] * x * 2 ** zoom, shape[1] * y * 2 ** zoom, shape[2] * z].map(length).join(" × ");
    const pixels = shape.map((each) => each.toLocaleString("en")).join(" × ");
    this.estimate.textContent = `${pixels} pixels, ${sizes}: ${megabytes(bytes)}`;
    if (bytes > this.bytesMax) {
      this.estimate.classList.add("too-large");
      this.estimate.textContent += `, which is more than the ${megabytes(this.bytesMax)} that are allowed`;
    }
  }

  /** Send the numbers as they are: the server knows best what is wrong with them, and says so. */
  submit() {
    this.clear();
    const names = ["left", "top", "width", "height", "first", "last"];
    const empty = names.find((name) => this.value(name) === null);
    if (empty) {
      this.fail("Draw a rectangle on the slice first, or fill in all numbers with whole numbers.", empty);
      return;
    }
    const [left, top, width, height, first, last] = names.map((name) => this.value(name));
    const region = {
      stack: this.stack.name,
      x: [left, left + width],
      y: [top, top + height],
      z: [first, last + 1],
      zoom: Number(this.form.elements.zoom.value),
    };
    this.dispatchEvent(new CustomEvent("submit", { detail: region }));
  }

  set busy(busy) {
    this.form.querySelector("button.primary").disabled = busy;
  }

  clear() {
    this.error.hidden = true;
    this.error.textContent = "";
    this.done.textContent = "";
    for (const field of this.form.querySelectorAll("[aria-invalid]")) {
      field.removeAttribute("aria-invalid");
      field.removeAttribute("aria-describedby");
    }
  }

  /** Show in words what is wrong; ``name`` is a field's, or what the server calls it. */
  fail(text, name) {
    this.error.textContent = text;
    this.error.hidden = false;
    const field = this.form.elements[FIELDS[name] ?? name];
    if (!(field instanceof HTMLElement)) return;
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-describedby", this.error.id);
    field.focus();
  }

  succeed(text) {
    this.done.textContent = text;
  }
}
