/** The same map without WebGL2: a picture drawn by the plain canvas. */
(function (page) {
  "use strict";
  const { SHAPES, outline, isHollow } = page.palette;
  const NAMES = Object.keys(SHAPES);
  /** By level: dimmed, plain, bright, faint. */
  const SIZES = [0.7, 1, 1.35, 1];
  const OPACITY = [0.16, 1, 1, 0.6];
  const ARROW_OPACITY = [0.05, 1, 1, 0.3];

  /** Draws a Scene (see webgl.js) into a canvas. */
  class CanvasPainter {
    constructor(canvas) {
      this.kind = "canvas";
      this.canvas = canvas;
      this.context = canvas.getContext("2d");
      this.screen = new Float32Array(0);
      this.stamps = new Map();
    }

    /** One drawn symbol, kept: copying it is far faster than drawing a path for every note. */
    stamp(shape, colour, level, pixels) {
      const key = `${shape} ${colour} ${level} ${pixels}`;
      if (!this.stamps.has(key)) {
        if (this.stamps.size > 2000) this.stamps.clear();
        const side = Math.ceil(pixels + 4);
        const made = document.createElement("canvas");
        made.width = made.height = side;
        const context = made.getContext("2d");
        const path = new Path2D(outline(NAMES[shape], side / 2, side / 2, pixels / 2));
        context.globalAlpha = OPACITY[level];
        if (isHollow(NAMES[shape])) {
          context.strokeStyle = colour;
          context.lineWidth = Math.max(1, pixels / 6);
          context.stroke(path);
        } else {
          context.fillStyle = colour;
          context.fill(path);
        }
        this.stamps.set(key, made);
      }
      return this.stamps.get(key);
    }

    draw(scene) {
      const { context } = this;
      const { width, height } = this.canvas;
      if (this.screen.length !== 3 * scene.size) this.screen = new Float32Array(3 * scene.size);
      page.camera.project(scene.matrix, scene.before, scene.after, scene.mix, width, height, this.screen);
      context.clearRect(0, 0, width, height);
      if (scene.arrows) this.drawArrows(scene, width, height);
      const behind = scene.flat
        ? (left, right) => scene.looks[4 * left + 2] - scene.looks[4 * right + 2]
        : (left, right) => this.screen[3 * right + 2] - this.screen[3 * left + 2];
      const order = Uint32Array.from({ length: scene.size }, (_, at) => at).sort(behind);
      for (const level of [0, 3, 1, 2]) {
        for (let place = 0; place < scene.size; place += 1) {
          const at = order[place];
          if (scene.looks[4 * at + 1] !== level) continue;
          const near = scene.flat ? 1 : scene.distance / this.screen[3 * at + 2];
          const pixels = Math.max(2, Math.round(scene.point * scene.ratio * near * SIZES[level]));
          const [red, green, blue] = scene.colours.subarray(4 * at, 4 * at + 3);
          const stamp = this.stamp(scene.looks[4 * at], `rgb(${red} ${green} ${blue})`, level, pixels);
          context.drawImage(stamp, this.screen[3 * at] - stamp.width / 2, this.screen[3 * at + 1] - stamp.width / 2);
        }
      }
    }

    drawArrows(scene, width, height) {
      const { context } = this;
      const tails = page.camera.project(scene.matrix, scene.before, scene.after, 0, width, height, new Float32Array(3 * scene.size));
      const heads = page.camera.project(scene.matrix, scene.before, scene.after, 1, width, height, new Float32Array(3 * scene.size));
      context.lineWidth = 1.4 * scene.ratio;
      for (let at = 0; at < scene.size; at += 1) {
        const place = 3 * at;
        const moved = Math.hypot(
          scene.after[place] - scene.before[place], scene.after[place + 1] - scene.before[place + 1],
          scene.after[place + 2] - scene.before[place + 2],
        );
        context.globalAlpha = (moved <= scene.floor ? 0.08 : scene.strength) * ARROW_OPACITY[scene.looks[4 * at + 1]];
        const [red, green, blue] = scene.colours.subarray(4 * at, 4 * at + 3);
        context.strokeStyle = `rgb(${red} ${green} ${blue})`;
        const angle = Math.atan2(heads[place + 1] - tails[place + 1], heads[place] - tails[place]);
        const barb = Math.min(8 * scene.ratio, Math.hypot(heads[place + 1] - tails[place + 1], heads[place] - tails[place]) / 2);
        context.beginPath();
        context.moveTo(tails[place], tails[place + 1]);
        context.lineTo(heads[place], heads[place + 1]);
        for (const turn of [2.7, -2.7]) {
          context.moveTo(heads[place], heads[place + 1]);
          context.lineTo(heads[place] + barb * Math.cos(angle + turn), heads[place + 1] + barb * Math.sin(angle + turn));
        }
        context.stroke();
      }
      context.globalAlpha = 1;
    }

    finish() {
      this.context.getImageData(0, 0, 1, 1);
    }
  }

  page.canvas = { CanvasPainter };
})((globalThis.medembedPage ??= {}));
