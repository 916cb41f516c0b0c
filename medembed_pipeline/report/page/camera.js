/** Where the reader looks from: one 4 x 4 matrix that the shader and the pointer share. */
(function (page) {
  "use strict";

  const DISTANCE = 3.2;
  const FOCAL = 3.3;

  /** @typedef {{yaw: number, pitch: number, zoom: number, x: number, y: number}} View x, y in half windows */

  /** @returns {View} */
  const start = () => ({ yaw: 0.6, pitch: 0.35, zoom: 1, x: 0, y: 0 });

  const limited = (value, low, high) => Math.min(high, Math.max(low, value));

  /** @param {View} view */
  const written = (view) =>
    [view.yaw, view.pitch, view.zoom, view.x, view.y].map((value) => Number(value.toFixed(3))).join(",");

  /** @param {string} text @returns {View} */
  function parsed(text) {
    const values = text.split(",").map(Number);
    if (values.length !== 5 || values.some((value) => !Number.isFinite(value))) return start();
    const [yaw, pitch, zoom, x, y] = values;
    return { yaw, pitch: limited(pitch, -1.5, 1.5), zoom: limited(zoom, 0.2, 200), x: limited(x, -400, 400), y: limited(y, -400, 400) };
  }

  /** @param {View} view @param {number} aspect width / height @param {boolean} flat @returns {Float32Array} column-major */
  function matrix(view, aspect, flat) {
    const across = view.zoom / Math.max(1, aspect);
    const down = view.zoom * Math.min(1, aspect);
    if (flat) {
      const reach = 0.94;
      return new Float32Array([across * reach, 0, 0, 0, 0, down * reach, 0, 0, 0, 0, 0, 0, view.x, view.y, 0, 1]);
    }
    const [sy, cy, sp, cp] = [Math.sin(view.yaw), Math.cos(view.yaw), Math.sin(view.pitch), Math.cos(view.pitch)];
    // Rows of the rotation: first about the upright axis, then about the horizontal one.
    const right = [cy, 0, sy];
    const up = [sp * sy, cp, -sp * cy];
    const toward = [-cp * sy, sp, cp * cy];
    const m = new Float32Array(16);
    for (let axis = 0; axis < 3; axis += 1) {
      const w = -toward[axis];
      m[4 * axis] = across * FOCAL * right[axis] + view.x * w;
      m[4 * axis + 1] = down * FOCAL * up[axis] + view.y * w;
      m[4 * axis + 2] = -toward[axis];
      m[4 * axis + 3] = w;
    }
    m[12] = view.x * DISTANCE;
    m[13] = view.y * DISTANCE;
    m[14] = 0;
    m[15] = DISTANCE;
    return m;
  }

  /**
   * Places of all points on the screen.
   * @param {Float32Array} before @param {Float32Array} after n x 3 @param {number} mix
   * @param {Float32Array} target n x 3: pixels from the left, from the top, depth
   */
  function project(m, before, after, mix, width, height, target) {
    for (let at = 0; at < before.length; at += 3) {
      const x = before[at] + (after[at] - before[at]) * mix;
      const y = before[at + 1] + (after[at + 1] - before[at + 1]) * mix;
      const z = before[at + 2] + (after[at + 2] - before[at + 2]) * mix;
      const w = m[3] * x + m[7] * y + m[11] * z + m[15];
      target[at] = (((m[0] * x + m[4] * y + m[8] * z + m[12]) / w + 1) * width) / 2;
      target[at + 1] = ((1 - (m[1] * x + m[5] * y + m[9] * z + m[13]) / w) * height) / 2;
      target[at + 2] = w;
    }
    return target;
  }

  /**
   * From a place on the stage to the picture plane: where the place lies at zoom 1, unshifted, on a square window, from
   * -1 at the left and below to 1.
   * @returns {[number, number]}
   */
  function plane(view, x, y, width, height) {
    const aspect = width / height;
    return [
      (((2 * x) / width - 1 - view.x) * Math.max(1, aspect)) / view.zoom,
      (1 - (2 * y) / height - view.y) / (view.zoom * Math.min(1, aspect)),
    ];
  }

  /** The point nearest to (x, y) within `reach` pixels for which `shown` holds, -1 for none; the front one of near equals. */
  function nearest(screen, x, y, reach, shown) {
    let best = -1;
    let least = Infinity;
    for (let at = 0; at < screen.length; at += 3) {
      const dx = screen[at] - x;
      const dy = screen[at + 1] - y;
      const squared = dx * dx + dy * dy;
      if (squared > reach * reach || !shown(at / 3)) continue;
      const cost = Math.sqrt(squared) + 2 * screen[at + 2];
      if (cost < least) [best, least] = [at / 3, cost];
    }
    return best;
  }

  /** Zoom by `factor`, holding the point (x, y), in half windows from the middle, where it is. */
  function zoomed(view, factor, x = 0, y = 0) {
    const zoom = limited(view.zoom * factor, 0.2, 200);
    const real = zoom / view.zoom;
    return { ...view, zoom, x: x - (x - view.x) * real, y: y - (y - view.y) * real };
  }

  const rotated = (view, yaw, pitch) => ({ ...view, yaw: view.yaw + yaw, pitch: limited(view.pitch + pitch, -1.5, 1.5) });
  const shifted = (view, x, y) => ({ ...view, x: view.x + x, y: view.y + y });

  /**
   * A map's two clouds in the middle of a ball of radius 1, with the same shift and scale for both models.
   * @returns {{before: Float32Array, after: Float32Array, scale: number}} n x 3; scale: map units per 1
   */
  function centred(baseline, tuned, dimensions) {
    const size = baseline.length / dimensions;
    const middle = new Float64Array(3);
    for (const cloud of [baseline, tuned]) {
      for (let at = 0; at < cloud.length; at += 1) middle[at % dimensions] += cloud[at] / (2 * size);
    }
    const place = (cloud) => {
      const target = new Float32Array(3 * size);
      for (let at = 0; at < size; at += 1) {
        for (let axis = 0; axis < dimensions; axis += 1) {
          target[3 * at + axis] = cloud[dimensions * at + axis] - middle[axis];
        }
      }
      return target;
    };
    const [before, after] = [place(baseline), place(tuned)];
    const radii = new Float32Array(2 * size);
    [before, after].forEach((cloud, which) => {
      for (let at = 0; at < size; at += 1) {
        radii[which * size + at] = Math.hypot(cloud[3 * at], cloud[3 * at + 1], cloud[3 * at + 2]);
      }
    });
    radii.sort();
    // A few outliers must not make everything else small, nor lie behind the eye.
    const usual = radii[Math.floor(0.99 * (radii.length - 1))] * 1.06;
    const scale = Math.max(usual, radii[radii.length - 1] / 2.2) || 1;
    for (const cloud of [before, after]) for (let at = 0; at < cloud.length; at += 1) cloud[at] /= scale;
    return { before, after, scale };
  }

  page.camera = { start, parsed, written, matrix, project, plane, nearest, zoomed, rotated, shifted, centred, DISTANCE };
})((globalThis.medembedPage ??= {}));
