import assert from "node:assert/strict";
import { test } from "node:test";

import {
  clamp,
  fit,
  levelFor,
  moved,
  toCanvas,
  toStack,
  visiblePictures,
  zoomAt,
} from "../../../demo/crops/static/demo/geometry.js";

const slice = { width: 1000, height: 700 };
const canvas = { width: 500, height: 500 };

function near(found, expected) {
  assert.ok(Math.abs(found - expected) < 1e-9, `${found} is not ${expected}`);
}

test("clamp", () => {
  assert.deepEqual([clamp(-1, 0, 5), clamp(3, 0, 5), clamp(9, 0, 5)], [0, 3, 5]);
});

test("fit: the whole slice is on the canvas, in its middle", () => {
  const view = fit(slice, canvas, 10);
  const a = toCanvas(view, { x: 0, y: 0 });
  const b = toCanvas(view, { x: 1000, y: 700 });
  near(a.x, 10);
  near(b.x, 490);
  near(a.y, 500 - b.y);
  assert.ok(a.y > 10);
});

test("toStack is the reverse of toCanvas", () => {
  const view = { x: 12.5, y: -3, scale: 0.7 };
  const found = toStack(view, toCanvas(view, { x: 400, y: 31 }));
  near(found.x, 400);
  near(found.y, 31);
});

test("zoomAt: what is under the pointer stays there", () => {
  const view = { x: 100, y: 50, scale: 1 };
  const point = { x: 123, y: 321 };
  const before = toStack(view, point);
  const closer = zoomAt(view, point, 2.5);
  near(closer.scale, 2.5);
  near(toStack(closer, point).x, before.x);
  near(toStack(closer, point).y, before.y);
});

test("zoomAt: has limits in both directions", () => {
  let view = { x: 0, y: 0, scale: 1 };
  for (let i = 0; i < 100; i += 1) view = zoomAt(view, { x: 1, y: 1 }, 2);
  assert.equal(view.scale, 16);
  for (let i = 0; i < 100; i += 1) view = zoomAt(view, { x: 1, y: 1 }, 0.5);
  assert.equal(view.scale, 1 / 256);
});

test("moved: by pixels of the screen", () => {
  assert.deepEqual(moved({ x: 100, y: 100, scale: 2 }, 10, -20, slice, canvas), { x: 95, y: 110, scale: 2 });
});

test("moved: some of the slice stays on the canvas", () => {
  for (const [dx, dy] of [
    [1e6, 1e6],
    [-1e6, -1e6],
  ]) {
    const view = moved({ x: 0, y: 0, scale: 0.5 }, dx, dy, slice, canvas);
    const a = toCanvas(view, { x: 0, y: 0 });
    const b = toCanvas(view, { x: 1000, y: 700 });
    assert.ok(a.x <= 460 && a.y <= 460 && b.x >= 40 && b.y >= 40);
  }
});

test("levelFor: never coarser than the screen, never beyond the levels", () => {
  assert.equal(levelFor(4, 1, 4), 0);
  assert.equal(levelFor(1, 1, 4), 0);
  assert.equal(levelFor(0.51, 1, 4), 0);
  assert.equal(levelFor(0.5, 1, 4), 1);
  assert.equal(levelFor(0.5, 2, 4), 0);
  assert.equal(levelFor(0.25, 1, 4), 2);
  assert.equal(levelFor(0.001, 1, 4), 3);
  assert.equal(levelFor(0.001, 1, 1), 0);
});

test("visiblePictures: the whole slice", () => {
  const found = visiblePictures({ x: -50, y: -50, scale: 0.1 }, canvas, slice, 0, 512);
  assert.deepEqual(found, [
    { row: 0, col: 0 },
    { row: 0, col: 1 },
    { row: 1, col: 0 },
    { row: 1, col: 1 },
  ]);
});

test("visiblePictures: only those on the canvas", () => {
  assert.deepEqual(visiblePictures({ x: 600, y: 0, scale: 2 }, canvas, slice, 0, 512), [{ row: 0, col: 1 }]);
});

test("visiblePictures: a coarser level has fewer", () => {
  assert.deepEqual(visiblePictures({ x: 0, y: 0, scale: 0.5 }, canvas, slice, 1, 512), [{ row: 0, col: 0 }]);
});

test("visiblePictures: none beside the slice", () => {
  assert.deepEqual(visiblePictures({ x: -2000, y: 0, scale: 1 }, canvas, slice, 0, 512), []);
  assert.deepEqual(visiblePictures({ x: 5000, y: 0, scale: 1 }, canvas, slice, 0, 512), []);
});
