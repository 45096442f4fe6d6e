/** Paints pictures and the region on the canvas. */

import { toCanvas, visiblePictures } from "./geometry.js";

const HANDLE = 4;

export class Painter {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
  }

  /** @returns {{width: number, height: number}} in CSS pixels */
  get size() {
    return { width: this.canvas.clientWidth, height: this.canvas.clientHeight };
  }

  /** Give the canvas a pixel for each pixel of the screen. */
  resize() {
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.max(1, Math.round(this.size.width * ratio));
    this.canvas.height = Math.max(1, Math.round(this.size.height * ratio));
  }

  begin() {
    const ratio = window.devicePixelRatio || 1;
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.context.clearRect(0, 0, this.size.width, this.size.height);
  }

  /**
   * Paint one zoom level.
   * @param {(row: number, col: number) => {picture?: ImageBitmap, missing?: boolean}} find
   */
  level(view, slice, level, pictureSize, find) {
    const { context } = this;
    const factor = 2 ** level;
    const ratio = window.devicePixelRatio || 1;
    const snap = (value) => Math.round(value * ratio) / ratio; // pictures meet without a seam
    context.imageSmoothingEnabled = view.scale * factor * ratio < 2; // enlarged pixels stay pixels
    for (const { row, col } of visiblePictures(view, this.size, slice, level, pictureSize)) {
      const { picture, missing } = find(row, col);
      if (!picture && !missing) continue;
      const start = { x: col * pictureSize * factor, y: row * pictureSize * factor };
      const width = picture ? picture.width : Math.min(pictureSize, (slice.width >> level) - col * pictureSize);
      const height = picture ? picture.height : Math.min(pictureSize, (slice.height >> level) - row * pictureSize);
      const a = toCanvas(view, start);
      const b = toCanvas(view, { x: start.x + width * factor, y: start.y + height * factor });
      const box = [snap(a.x), snap(a.y), snap(b.x) - snap(a.x), snap(b.y) - snap(a.y)];
      if (picture) context.drawImage(picture, ...box);
      else this.hatch(...box);
    }
  }

  /** Show that there is no picture: stripes, so that it isn't taken for a dark one. */
  hatch(x, y, width, height) {
    const { context } = this;
    context.save();
    context.beginPath();
    context.rect(x, y, width, height);
    context.clip();
    context.strokeStyle = "rgb(150 60 60 / 60%)";
    context.lineWidth = 2;
    context.beginPath();
    for (let offset = -height; offset < width; offset += 16) {
      context.moveTo(x + offset, y + height);
      context.lineTo(x + offset + height, y);
    }
    context.stroke();
    context.restore();
  }

  /** Paint the region; ``inside`` tells whether the slice on show is one of it. */
  region(view, rectangle, inside) {
    const { context } = this;
    const a = toCanvas(view, { x: rectangle.x0, y: rectangle.y0 });
    const b = toCanvas(view, { x: rectangle.x1, y: rectangle.y1 });
    const [width, height] = [b.x - a.x, b.y - a.y];
    context.save();
    if (inside) {
      context.fillStyle = "rgb(20 200 175 / 14%)";
      context.fillRect(a.x, a.y, width, height);
    }
    // A dark line below a light one is seen on any grey.
    context.lineWidth = 3;
    context.strokeStyle = "rgb(0 0 0 / 75%)";
    context.strokeRect(a.x, a.y, width, height);
    context.lineWidth = 1.5;
    context.strokeStyle = inside ? "#3df0d4" : "#ffd257";
    if (!inside) context.setLineDash([6, 5]);
    context.strokeRect(a.x, a.y, width, height);
    context.setLineDash([]);
    if (width > 6 * HANDLE && height > 6 * HANDLE) {
      for (const [x, y] of [
        [a.x, a.y],
        [b.x, a.y],
        [a.x, b.y],
        [b.x, b.y],
      ]) {
        context.fillStyle = "#000";
        context.fillRect(x - HANDLE - 1, y - HANDLE - 1, 2 * HANDLE + 2, 2 * HANDLE + 2);
        context.fillStyle = inside ? "#3df0d4" : "#ffd257";
        context.fillRect(x - HANDLE, y - HANDLE, 2 * HANDLE, 2 * HANDLE);
      }
    }
    context.restore();
  }
}
