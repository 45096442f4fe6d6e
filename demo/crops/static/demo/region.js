/**
 * The box that is to be cut out. Pure: no DOM.
 *
 * @typedef {{x0: number, x1: number, y0: number, y1: number}} Rectangle  Half-open, in pixels of zoom level 0.
 * @typedef {{title: string, name: string, shape: number[], resolutionNm: number[], bytesPerPixel: number,
 *     zoomLevels: number}} Stack  ``shape`` is slices, rows, columns; ``resolutionNm`` is x, y, z.
 */

import { clamp } from "./geometry.js";

/** @returns {Rectangle} the pixels between two positions, cut to the slice, at least one */
export function between(a, b, slice) {
  const [x0, x1] = span(a.x, b.x, slice.width);
  const [y0, y1] = span(a.y, b.y, slice.height);
  return { x0, x1, y0, y1 };
}

function span(a, b, size) {
  const first = clamp(Math.floor(Math.min(a, b)), 0, size - 1);
  return [first, clamp(Math.ceil(Math.max(a, b)), first + 1, size)];
}

/** @returns {Rectangle} moved by whole pixels, within the slice */
export function shifted(rectangle, dx, dy, slice) {
  const x = clamp(Math.round(dx), -rectangle.x0, slice.width - rectangle.x1);
  const y = clamp(Math.round(dy), -rectangle.y0, slice.height - rectangle.y1);
  return { x0: rectangle.x0 + x, x1: rectangle.x1 + x, y0: rectangle.y0 + y, y1: rectangle.y1 + y };
}

/**
 * @returns {string} what a position takes hold of: letters of the sides near it (as in CSS cursors: "n", "se"), "move"
 *     inside, "" outside
 */
export function gripAt(rectangle, position, reach) {
  const { x0, x1, y0, y1 } = rectangle;
  const { x, y } = position;
  if (x < x0 - reach || x > x1 + reach || y < y0 - reach || y > y1 + reach) return "";
  const near = (value, side) => Math.abs(value - side) <= reach;
  // In a small rectangle both sides are near; the nearer one is meant.
  const vertical = near(y, y0) && y - y0 <= y1 - y ? "n" : near(y, y1) ? "s" : "";
  const horizontal = near(x, x0) && x - x0 <= x1 - x ? "w" : near(x, x1) ? "e" : "";
  return vertical + horizontal || "move";
}

/** @returns {Rectangle} with the sides that ``grip`` names moved to a position */
export function resized(rectangle, grip, position, slice) {
  const a = { x: rectangle.x0, y: rectangle.y0 };
  const b = { x: rectangle.x1, y: rectangle.y1 };
  if (grip.includes("n")) a.y = position.y;
  if (grip.includes("s")) b.y = position.y;
  if (grip.includes("w")) a.x = position.x;
  if (grip.includes("e")) b.x = position.x;
  return between(a, b, slice);
}

/** @returns {number[]} columns, rows and slices of the result, as the server computes them */
export function resultShape(rectangle, first, last, zoom, stack) {
  const along = (start, end, size) => {
    const level = Math.max(1, size >> zoom);
    const begin = Math.min(start >> zoom, level - 1);
    return Math.min(Math.ceil(end / 2 ** zoom), level) - begin;
  };
  return [
    along(rectangle.x0, rectangle.x1, stack.shape[2]),
    along(rectangle.y0, rectangle.y1, stack.shape[1]),
    last - first + 1,
  ];
}

/** @returns {string} a number of bytes for people */
export function megabytes(bytes) {
  if (bytes < 1e6) return `${Math.round(bytes / 1e3)} kB`;
  return bytes < 100e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.round(bytes / 1e6).toLocaleString("en")} MB`;
}

/** @returns {string} a length in nanometres for people */
export function length(nm) {
  return nm < 1000
    ? `${Number(nm.toPrecision(3))} nm`
    : `${Number((nm / 1000).toPrecision(3)).toLocaleString("en")} µm`;
}
