/** The slice on show: what is painted, and what pointer, wheel and keys do. Emits "rectangle", "slice", "view", "pointer". */

import { clamp, fit, levelFor, moved, toStack, visiblePictures, zoomAt } from "./geometry.js";
import { Painter } from "./painter.js";
import { Pictures } from "./pictures.js";
import { between, gripAt, resized, shifted } from "./region.js";

const GRIP = 7; // CSS pixels
const CLICK = 3; // CSS pixels that a pointer may move without drawing anything
const STEP = Math.SQRT2;
const WHEEL_STEP = 60; // what browsers report for a part of a notch; touchpads send many small ones

export class Viewer extends EventTarget {
  /**
   * @param {object} options
   * @param {HTMLCanvasElement} options.canvas
   * @param {number} options.pictureSize
   * @param {(stack: string, place: string) => string} options.pictureUrl
   * @param {(status: number, text: string) => void} options.failed
   */
  constructor({ canvas, pictureSize, pictureUrl, failed }) {
    super();
    this.canvas = canvas;
    this.pictureSize = pictureSize;
    this.painter = new Painter(canvas);
    this.pictures = new Pictures({
      url: (key) => pictureUrl(this.stack.name, key),
      changed: () => this.paintSoon(),
      failed,
    });
    this.tool = "select";
    this.z = 0;
    this.shownZ = 0;
    this.rectangle = null;
    this.range = [0, 0];
    this.fitted = true;
    this.wheel = 0;
    this.painting = false;
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.hover(event));
    canvas.addEventListener("pointerleave", () => this.emit("pointer", null));
    canvas.addEventListener("wheel", (event) => this.turn(event), { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.resize()).observe(canvas);
  }

  /** @param {import("./region.js").Stack} stack */
  show(stack) {
    this.pictures.clear();
    this.stack = stack;
    this.slice = { width: stack.shape[2], height: stack.shape[1] };
    this.z = this.shownZ = clamp(this.z, 0, stack.shape[0] - 1);
    this.fit();
    this.goTo(this.z);
  }

  goTo(z) {
    this.z = clamp(z, 0, this.stack.shape[0] - 1);
    this.emit("slice", this.z);
    this.paintSoon();
  }

  /** Show another region; no event, since the caller knows. */
  setRegion(rectangle, range) {
    this.rectangle = rectangle;
    this.range = range;
    this.paintSoon();
  }

  fit() {
    this.painter.resize();
    this.fitted = true;
    this.setView(fit(this.slice, this.painter.size));
  }

  zoom(factor, point = { x: this.painter.size.width / 2, y: this.painter.size.height / 2 }) {
    this.fitted = false;
    this.setView(zoomAt(this.view, point, factor));
  }

  move(dx, dy) {
    this.fitted = false;
    this.setView(moved(this.view, dx, dy, this.slice, this.painter.size));
  }

  setView(view) {
    this.view = view;
    this.emit("view", view);
    this.paintSoon();
  }

  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  resize() {
    if (!this.stack) return;
    this.painter.resize();
    if (this.fitted) this.fit();
    this.paint(); // at once: setting a canvas's size clears it
  }

  paintSoon() {
    if (this.painting) return;
    this.painting = true;
    requestAnimationFrame(() => {
      this.painting = false;
      this.paint();
    });
  }

  paint() {
    const { painter, pictures, slice, stack, view } = this;
    const level = levelFor(view.scale, window.devicePixelRatio || 1, stack.zoomLevels);
    const places = visiblePictures(view, painter.size, slice, level, this.pictureSize);
    const keysAt = (z) => places.map(({ row, col }) => key(level, z, row, col));
    const wanted = keysAt(this.z);
    const complete = wanted.every((each) => pictures.loaded.has(each) || pictures.missing.has(each));
    if (complete) this.shownZ = this.z;
    // The neighbours come when this slice is there, so that turning the wheel shows them at once.
    const next = [this.z + 1, this.z - 1].filter((z) => z >= 0 && z < stack.shape[0]);
    pictures.want(complete ? [...wanted, ...next.flatMap(keysAt)] : wanted);

    painter.begin();
    for (let coarse = stack.zoomLevels - 1; coarse > level; coarse -= 1) {
      painter.level(view, slice, coarse, this.pictureSize, (row, col) => ({
        picture: pictures.loaded.get(key(coarse, this.z, row, col)),
      }));
    }
    painter.level(view, slice, level, this.pictureSize, (row, col) => ({
      // Until a picture has come, the one of the slice before stays: no flicker.
      picture: pictures.get(key(level, this.z, row, col)) ?? pictures.get(key(level, this.shownZ, row, col)),
      missing: pictures.missing.has(key(level, this.z, row, col)),
    }));
    if (this.rectangle) {
      painter.region(view, this.rectangle, this.z >= this.range[0] && this.z <= this.range[1]);
    }
    this.canvas.dataset.shown = complete ? String(this.z) : "";
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  gripOf(point) {
    if (!this.rectangle || this.tool !== "select") return "";
    return gripAt(this.rectangle, toStack(this.view, point), GRIP / this.view.scale);
  }

  hover(event) {
    const point = this.point(event);
    const position = toStack(this.view, point);
    this.emit("pointer", { x: Math.floor(position.x), y: Math.floor(position.y) });
    if (event.buttons) return;
    const grip = this.gripOf(point);
    this.canvas.dataset.cursor = this.tool === "move" ? "grab" : grip;
  }

  press(event) {
    if (event.button !== 0 && event.button !== 1) return;
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    const start = this.point(event);
    const drag = event.button === 1 || this.tool === "move" ? this.dragView(start) : this.dragRegion(start);
    const controller = new AbortController();
    const { signal } = controller;
    const move = (each) => {
      if (each.pointerId === event.pointerId) drag(this.point(each));
    };
    const end = (each) => {
      if (each.pointerId === event.pointerId) controller.abort();
    };
    this.canvas.addEventListener("pointermove", move, { signal });
    this.canvas.addEventListener("pointerup", end, { signal });
    this.canvas.addEventListener("pointercancel", end, { signal });
  }

  dragView(start) {
    let last = start;
    return (point) => {
      this.move(point.x - last.x, point.y - last.y);
      last = point;
    };
  }

  dragRegion(start) {
    const before = this.rectangle;
    const grip = this.gripOf(start);
    const from = toStack(this.view, start);
    let drawing = false;
    return (point) => {
      drawing ||= Math.hypot(point.x - start.x, point.y - start.y) > CLICK;
      if (!drawing) return;
      const to = toStack(this.view, point);
      if (!grip) this.rectangle = between(from, to, this.slice);
      else if (grip === "move") this.rectangle = shifted(before, to.x - from.x, to.y - from.y, this.slice);
      else this.rectangle = resized(before, grip, to, this.slice);
      this.emit("rectangle", this.rectangle);
      this.paintSoon();
    };
  }

  turn(event) {
    event.preventDefault();
    const delta = event.deltaMode === 0 ? event.deltaY : event.deltaY * WHEEL_STEP;
    if (event.ctrlKey || event.metaKey) {
      this.zoom(2 ** (-delta / 200), this.point(event));
      return;
    }
    this.wheel += delta;
    const slices = Math.trunc(this.wheel / WHEEL_STEP);
    if (!slices) return;
    this.wheel -= slices * WHEEL_STEP;
    this.goTo(this.z + Math.sign(slices) * (event.shiftKey ? 10 : 1));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const far = event.shiftKey ? 10 : 1;
    const actions = {
      PageDown: () => this.goTo(this.z + far),
      PageUp: () => this.goTo(this.z - far),
      Home: () => this.goTo(0),
      End: () => this.goTo(this.stack.shape[0] - 1),
      ArrowLeft: () => this.move(40 * far, 0),
      ArrowRight: () => this.move(-40 * far, 0),
      ArrowUp: () => this.move(0, 40 * far),
      ArrowDown: () => this.move(0, -40 * far),
      "+": () => this.zoom(STEP),
      "=": () => this.zoom(STEP),
      "-": () => this.zoom(1 / STEP),
      0: () => this.fit(),
      Escape: () => this.emit("rectangle", null),
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  }
}

function key(level, z, row, col) {
  return `${level}/${z}/${row}/${col}`;
}
