/**
 * Where stack pixels are on the canvas. Pure: no DOM, no state beyond what is passed in.
 *
 * @typedef {{x: number, y: number, scale: number}} View  The stack position at the canvas's upper left corner, and CSS
 *     pixels per stack pixel (of zoom level 0).
 * @typedef {{width: number, height: number}} Size
 */

export const SCALE_MIN = 1 / 256;
export const SCALE_MAX = 16;

/** @returns {number} value, or the nearest of the limits */
export function clamp(value, least, most) {
  return Math.max(least, Math.min(most, value));
}

/** @returns {View} the whole slice in the middle of the canvas */
export function fit(slice, canvas, margin = 12) {
  const scale = clamp(
    Math.min((canvas.width - 2 * margin) / slice.width, (canvas.height - 2 * margin) / slice.height),
    SCALE_MIN,
    SCALE_MAX,
  );
  return { scale, x: (slice.width - canvas.width / scale) / 2, y: (slice.height - canvas.height / scale) / 2 };
}

/** @returns {{x: number, y: number}} the stack position under a point of the canvas, not rounded */
export function toStack(view, point) {
  return { x: view.x + point.x / view.scale, y: view.y + point.y / view.scale };
}

/** @returns {{x: number, y: number}} the point of the canvas where a stack position is */
export function toCanvas(view, position) {
  return { x: (position.x - view.x) * view.scale, y: (position.y - view.y) * view.scale };
}

/** @returns {View} another magnification, with the same stack position under ``point`` */
export function zoomAt(view, point, factor) {
  const scale = clamp(view.scale * factor, SCALE_MIN, SCALE_MAX);
  const fixed = toStack(view, point);
  return { scale, x: fixed.x - point.x / scale, y: fixed.y - point.y / scale };
}

/** @returns {View} moved by CSS pixels, so far that some of the slice stays on the canvas */
export function moved(view, dx, dy, slice, canvas) {
  const keep = 40 / view.scale;
  return {
    scale: view.scale,
    x: clamp(view.x - dx / view.scale, keep - canvas.width / view.scale, slice.width - keep),
    y: clamp(view.y - dy / view.scale, keep - canvas.height / view.scale, slice.height - keep),
  };
}

/** @returns {number} the coarsest zoom level that still has a pixel for each pixel of the screen */
export function levelFor(scale, pixelRatio, levels) {
  return clamp(Math.floor(Math.log2(1 / (scale * pixelRatio))), 0, levels - 1);
}

/**
 * @returns {{row: number, col: number}[]} the pictures of a level that are on the canvas; each has ``pictureSize``
 *     pixels of the level in each direction
 */
export function visiblePictures(view, canvas, slice, level, pictureSize) {
  const step = pictureSize * 2 ** level;
  const end = (length) => Math.ceil(Math.max(1, length >> level) / pictureSize) - 1;
  const first = (position) => Math.max(0, Math.floor(position / step));
  const lastRow = Math.min(end(slice.height), Math.floor((view.y + canvas.height / view.scale) / step));
  const lastCol = Math.min(end(slice.width), Math.floor((view.x + canvas.width / view.scale) / step));
  const found = [];
  for (let row = first(view.y); row <= lastRow; row += 1) {
    for (let col = first(view.x); col <= lastCol; col += 1) found.push({ row, col });
  }
  return found;
}
