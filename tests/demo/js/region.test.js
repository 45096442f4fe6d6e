import assert from "node:assert/strict";
import { test } from "node:test";

import {
  between,
  gripAt,
  length,
  megabytes,
  resized,
  resultShape,
  shifted,
} from "../../../demo/crops/static/demo/region.js";

const slice = { width: 100, height: 80 };
const rectangle = { x0: 20, x1: 60, y0: 10, y1: 40 };

test("between: all pixels that are touched, in whatever direction", () => {
  const expected = { x0: 3, x1: 8, y0: 4, y1: 10 };
  assert.deepEqual(between({ x: 3.2, y: 4.9 }, { x: 7.1, y: 9.5 }, slice), expected);
  assert.deepEqual(between({ x: 7.1, y: 9.5 }, { x: 3.2, y: 4.9 }, slice), expected);
});

test("between: is cut to the slice, and never empty", () => {
  assert.deepEqual(between({ x: -50, y: -50 }, { x: 500, y: 500 }, slice), { x0: 0, x1: 100, y0: 0, y1: 80 });
  assert.deepEqual(between({ x: 5, y: 5 }, { x: 5, y: 5 }, slice), { x0: 5, x1: 6, y0: 5, y1: 6 });
  assert.deepEqual(between({ x: -9, y: -9 }, { x: -5, y: -5 }, slice), { x0: 0, x1: 1, y0: 0, y1: 1 });
  assert.deepEqual(between({ x: 200, y: 200 }, { x: 300, y: 300 }, slice), { x0: 99, x1: 100, y0: 79, y1: 80 });
});

test("shifted: keeps its size at the border", () => {
  assert.deepEqual(shifted(rectangle, 5.4, -3.6, slice), { x0: 25, x1: 65, y0: 6, y1: 36 });
  assert.deepEqual(shifted(rectangle, 1000, 1000, slice), { x0: 60, x1: 100, y0: 50, y1: 80 });
  assert.deepEqual(shifted(rectangle, -1000, -1000, slice), { x0: 0, x1: 40, y0: 0, y1: 30 });
});

test("gripAt: corners, sides, inside, outside", () => {
  const grips = [
    [20, 10],
    [40, 10],
    [60, 10],
    [60, 25],
    [60, 40],
    [40, 40],
    [20, 40],
    [20, 25],
    [40, 25],
    [70, 25],
  ];
  assert.deepEqual(
    grips.map(([x, y]) => gripAt(rectangle, { x, y }, 3)),
    ["nw", "n", "ne", "e", "se", "s", "sw", "w", "move", ""],
  );
});

test("gripAt: the nearer side of a small rectangle", () => {
  const small = { x0: 20, x1: 22, y0: 10, y1: 12 };
  assert.equal(gripAt(small, { x: 20.2, y: 10.2 }, 5), "nw");
  assert.equal(gripAt(small, { x: 21.8, y: 11.8 }, 5), "se");
});

test("resized: only the sides that are held", () => {
  assert.deepEqual(resized(rectangle, "e", { x: 70, y: 0 }, slice), { ...rectangle, x1: 70 });
  assert.deepEqual(resized(rectangle, "n", { x: 0, y: 5 }, slice), { ...rectangle, y0: 5 });
  assert.deepEqual(resized(rectangle, "sw", { x: 15, y: 50 }, slice), { ...rectangle, x0: 15, y1: 50 });
});

test("resized: a side may be drawn over the other one", () => {
  assert.deepEqual(resized(rectangle, "w", { x: 90, y: 0 }, slice), { ...rectangle, x0: 60, x1: 90 });
});

test("resultShape: as the server computes it", () => {
  const stack = { shape: [5, 23, 37] };
  const whole = { x0: 0, x1: 37, y0: 0, y1: 23 };
  assert.deepEqual(resultShape(whole, 0, 4, 0, stack), [37, 23, 5]);
  assert.deepEqual(resultShape(whole, 0, 4, 1, stack), [18, 11, 5]);
  assert.deepEqual(resultShape({ x0: 3, x1: 20, y0: 0, y1: 23 }, 1, 4, 1, stack), [9, 11, 4]);
  assert.deepEqual(resultShape({ x0: 36, x1: 37, y0: 22, y1: 23 }, 2, 2, 1, stack), [1, 1, 1]);
});

test("megabytes and lengths for people", () => {
  assert.deepEqual([0, 62_700, 1_540_000, 100e6, 4_228e6].map(megabytes), [
    "0 kB",
    "63 kB",
    "1.5 MB",
    "100 MB",
    "4,228 MB",
  ]);
  assert.deepEqual([4, 4.5, 888, 1000, 2560, 4_123_000].map(length), [
    "4 nm",
    "4.5 nm",
    "888 nm",
    "1 µm",
    "2.56 µm",
    "4,120 µm",
  ]);
});
