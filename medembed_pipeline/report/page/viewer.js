/** The map: from the state to what is drawn, and from a pointer to a note. */
(function (page) {
  "use strict";
  const { svg } = page.base;
  const { channels, SHAPES } = page.palette;
  const camera = page.camera;

  /** The painter that this browser can carry. */
  function painter(canvas, redraw) {
    try {
      return new page.webgl.WebglPainter(canvas, redraw);
    } catch {
      return new page.canvas.CanvasPainter(canvas);
    }
  }

  /** Diameter of a point, in pixels, that leaves clusters readable: 9 at 400 notes, 6 at 5,000, 3 at 100,000. */
  const diameter = (size, window) =>
    Math.max(2.5, Math.min(10, 29 * size ** -0.19)) * Math.max(0.75, Math.min(1.1, Math.sqrt(window / 600)));

  /** Which entries lie in front on a flat map: what a reader looks for, never the grey. @returns {number[]} */
  function fronts(scheme) {
    const last = scheme.entries.length;
    return scheme.entries.map(({ colour }, place) => (["grey", "pale"].includes(colour) ? 0 : scheme.rareInFront ? place + 1 : last - place));
  }

  /** How a note is drawn (webgl.js). */
  const DIMMED = 0, PLAIN = 1, BRIGHT = 2, FAINT = 3;

  class Viewer {
    /** @param {HTMLElement} stage holds canvas and overlay @param {any} report */
    constructor(stage, report) {
      this.report = report;
      this.stage = stage;
      this.canvas = document.createElement("canvas");
      this.overlay = svg("svg", { class: "overlay", "aria-hidden": "true" });
      stage.prepend(this.canvas, this.overlay);
      this.view = camera.start();
      this.mix = 1;
      this.map = null;
      this.scheme = null;
      this.lit = "";
      this.found = /** @type {Set<number>|null} */ (null);
      this.only = /** @type {((at: number) => boolean)|null} */ (null);
      this.selection = /** @type {Set<number>|null} */ (null);
      this.drawn = /** @type {number[][]} */ ([]);
      this.opened = -1;
      this.pointed = -1;
      this.arrows = false;
      this.ties = (/** @type {string} */ _model) => /** @type {Array<{at: number, relevant: boolean}>} */ ([]);
      this.due = false;
      this.frames = 0;
      this.looks = new Uint8Array(4 * report.size);
      this.colours = new Uint8Array(4 * report.size);
      this.screen = new Float32Array(3 * report.size);
      this.painter = painter(this.canvas, () => this.redraw());
      this.width = this.height = 0;
      this.resize();
      new ResizeObserver(() => this.resize()).observe(stage);
    }

    get flat() {
      return this.map?.dimensions === 2;
    }

    /** The model whose places are nearer to what is shown. */
    get model() {
      return this.mix >= 0.5 ? "tuned" : "baseline";
    }

    resize() {
      const box = this.stage.getBoundingClientRect();
      if (!box.width || !box.height) return;
      this.ratio = Math.min(2, globalThis.devicePixelRatio || 1);
      [this.width, this.height] = [box.width, box.height];
      this.canvas.width = Math.round(box.width * this.ratio);
      this.canvas.height = Math.round(box.height * this.ratio);
      this.overlay.setAttribute("viewBox", `0 0 ${box.width} ${box.height}`);
      this.draw();
    }

    show(map) {
      this.map = map;
      this.centred = this.report.centred(map);
      this.redraw();
    }

    /** Colour and shape of every note. */
    paint(scheme) {
      this.scheme = scheme;
      this.entryOf = Uint8Array.from({ length: this.report.size }, (_, at) => scheme.of(at));
      const tints = scheme.entries.map((entry) => channels(entry.colour));
      const colours = new Uint8Array(4 * this.report.size);
      for (let at = 0; at < this.report.size; at += 1) {
        colours.set(tints[this.entryOf[at]], 4 * at);
        colours[4 * at + 3] = 255;
      }
      this.colours = colours;
      this.light();
    }

    /** Whether a note belongs to a legend entry. */
    belongs(at, place) {
      return this.scheme.has ? this.scheme.has(at, place) : this.entryOf[at] === place;
    }

    /**
     * Dim what is neither found nor of the legend entry or the slice shown alone. Where notes are selected, they are bright,
     * and the others dimmed, or faint where legend, slice or search leave them.
     */
    light() {
      const looks = new Uint8Array(4 * this.report.size);
      this.left = new Uint8Array(this.report.size);
      let lit = 0;
      const place = this.scheme.entries.findIndex((entry) => entry.key === this.lit);
      const front = fronts(this.scheme);
      const filtered = place >= 0 || this.found || this.only;
      for (let at = 0; at < this.report.size; at += 1) {
        const on = (place < 0 || this.belongs(at, place)) && (!this.found || this.found.has(at)) && (!this.only || this.only(at));
        const own = this.selection?.has(at) ?? true;
        this.left[at] = Number(on);
        lit += Number(on && own);
        const drawn = place >= 0 && on ? place : this.entryOf[at];
        looks[4 * at] = SHAPES[this.scheme.entries[drawn].shape];
        looks[4 * at + 2] = front[drawn];
        const unselected = filtered ? FAINT : DIMMED;
        looks[4 * at + 1] = !on ? DIMMED : !own ? unselected : this.found || this.selection ? BRIGHT : PLAIN;
      }
      this.looks = looks;
      this.litCount = lit;
      this.passing = this.left.reduce((sum, one) => sum + one, 0);
      this.redraw();
    }

    isLit(at) {
      return this.looks[4 * at + 1] > 0;
    }

    /** Whether legend, slice and search leave a note, selected or not. */
    passes(at) {
      return this.left[at] > 0;
    }

    redraw() {
      if (this.due) return;
      this.due = true;
      requestAnimationFrame(() => {
        this.due = false;
        this.draw();
      });
    }

    scene() {
      const zoom = Math.min(3, Math.max(0.7, this.view.zoom ** 0.35));
      // Many arrows are drawn fainter, so that bundles show instead of a solid patch.
      const strength = Math.max(0.22, Math.min(0.85, 0.85 * Math.sqrt(250 / Math.max(1, this.litCount))));
      const ground = channels(getComputedStyle(document.documentElement).getPropertyValue("--surface").trim());
      return {
        size: this.report.size, before: this.centred.before, after: this.centred.after, colours: this.colours, looks: this.looks,
        matrix: camera.matrix(this.view, this.width / this.height, this.flat), mix: this.mix,
        point: zoom * diameter(this.report.size, Math.min(this.width, this.height)), flat: this.flat, distance: camera.DISTANCE,
        arrows: this.arrows && this.map.comparable, floor: (this.map.noise_floor ?? 0) / this.centred.scale, strength,
        ground: ground.map((value) => value / 255), ratio: this.ratio,
      };
    }

    draw() {
      if (!this.map || !this.scheme || !this.width) return;
      this.painter.draw(this.scene());
      this.drawOverlay();
      this.frames += 1;
      this.firstFrameAt ??= performance.now();
    }

    /** Places of all notes on the stage, in CSS pixels. */
    places() {
      const { before, after } = this.centred;
      const matrix = camera.matrix(this.view, this.width / this.height, this.flat);
      return camera.project(matrix, before, after, this.mix, this.width, this.height, this.screen);
    }

    /** @returns {{x: number, y: number}} */
    placeOf(at) {
      const { before, after } = this.centred;
      const cut = (cloud) => cloud.subarray(3 * at, 3 * at + 3);
      const matrix = camera.matrix(this.view, this.width / this.height, this.flat);
      const [x, y] = camera.project(matrix, cut(before), cut(after), this.mix, this.width, this.height, new Float32Array(3));
      return { x, y };
    }

    /** The note under a place on the stage, -1 for none. Only those answer that legend, slice and search leave. */
    pick(x, y, reach = 9) {
      if (!this.map) return -1;
      return camera.nearest(this.places(), x, y, reach, (at) => this.passes(at));
    }

    /** Local trustworthiness of a note's place on the map that is shown. */
    trust(at, model = this.model) {
      const values = this.report.places(this.map).trust[model];
      return values ? values[at] / 255 : null;
    }

    drawOverlay() {
      const parts = [];
      if (this.opened >= 0) {
        const from = this.placeOf(this.opened);
        for (const { at, relevant } of this.ties(this.model)) {
          const to = this.placeOf(at);
          const kind = relevant ? "right" : "wrong";
          parts.push(svg("line", { class: `tie ${kind}`, x1: from.x, y1: from.y, x2: to.x, y2: to.y }));
        }
        parts.push(svg("circle", { class: "chosen", cx: from.x, cy: from.y, r: 9 }));
      }
      if (this.pointed >= 0) {
        const { x, y } = this.placeOf(this.pointed);
        parts.push(svg("circle", { class: "pointed", cx: x, cy: y, r: 8 }));
      }
      if (this.drawn.length) parts.push(svg("polygon", { class: "drawn", points: this.drawn.map((place) => place.join(",")).join(" ") }));
      this.overlay.replaceChildren(...parts);
    }
  }

  page.viewer = { Viewer };
})((globalThis.medembedPage ??= {}));
