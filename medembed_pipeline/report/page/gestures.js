/** Mouse, touch and keyboard on the map. */
(function (page) {
  "use strict";
  const camera = page.camera;

  /**
   * @param {HTMLElement} stage @param {any} viewer
   * @param {{view: (view: any) => void, point: (at: number, x: number, y: number) => void, open: (at: number) => void,
   *   step: (by: number) => void, mix: (by: number) => void, close: () => void, tool: () => string,
   *   enclose?: (places: number[][], event: PointerEvent) => void, toggle: (at: number) => void, inView: () => void}} act
   * `tool` says what a drag does: "move", "lasso" or "box"; with Shift held it selects in any case, where
   * there is something to select for.
   */
  function listen(stage, viewer, act) {
    const fingers = new Map();
    let travelled = 0;
    let last = /** @type {{x: number, y: number, apart: number}|null} */ (null);
    let line = /** @type {number[][]|null} */ (null);
    let tool = "move";

    const inside = (event) => {
      const box = stage.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    };
    const half = (x, y) => ({ x: (2 * x) / viewer.width - 1, y: 1 - (2 * y) / viewer.height });
    const turn = (dx, dy) => camera.rotated(viewer.view, dx / 180, dy / 180);
    const shift = (dx, dy) => camera.shifted(viewer.view, (2 * dx) / viewer.width, (-2 * dy) / viewer.height);

    const middle = () => {
      const places = [...fingers.values()];
      const x = places.reduce((sum, place) => sum + place.x, 0) / places.length;
      const y = places.reduce((sum, place) => sum + place.y, 0) / places.length;
      return { x, y, apart: places.length > 1 ? Math.hypot(places[0].x - places[1].x, places[0].y - places[1].y) : 0 };
    };

    /** The corners of what is being drawn. */
    const drawn = () => {
      if (!line) return [];
      const [[left, top], [right, bottom]] = [line[0], line[line.length - 1]];
      return tool === "box" ? [[left, top], [right, top], [right, bottom], [left, bottom]] : line;
    };
    const draw = () => {
      viewer.drawn = drawn();
      viewer.drawOverlay();
    };
    const drop = () => {
      line = null;
      draw();
    };

    stage.addEventListener("pointerdown", (event) => {
      if (event.target.closest("button")) return;
      stage.focus({ preventScroll: true });
      stage.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, inside(event));
      last = middle();
      if (fingers.size === 1) travelled = 0;
      tool = event.shiftKey && act.enclose && act.tool() === "move" ? "lasso" : act.tool();
      line = null;
      if (fingers.size === 1 && event.button === 0 && tool !== "move") line = [[last.x, last.y]];
      draw();
    });

    stage.addEventListener("pointermove", (event) => {
      const place = inside(event);
      if (!fingers.has(event.pointerId)) {
        if (event.pointerType !== "touch") act.point(viewer.pick(place.x, place.y), place.x, place.y);
        return;
      }
      fingers.set(event.pointerId, place);
      const now = middle();
      const [dx, dy] = [now.x - last.x, now.y - last.y];
      travelled += Math.abs(dx) + Math.abs(dy);
      if (travelled < 4 && fingers.size === 1) return;
      act.point(-1, 0, 0);
      if (line) {
        last = now;
        line.push([now.x, now.y]);
        draw();
        return;
      }
      const pans = viewer.flat || event.buttons === 2 || event.buttons === 4 || fingers.size > 1;
      let view = pans ? shift(dx, dy) : turn(dx, dy);
      if (fingers.size > 1 && last.apart > 0 && now.apart > 0) {
        const at = half(now.x, now.y);
        view = camera.zoomed(view, now.apart / last.apart, at.x, at.y);
      }
      last = now;
      act.view(view);
    });

    const lift = (event) => {
      if (!fingers.delete(event.pointerId)) return;
      if (fingers.size) {
        last = middle();
        travelled = 100;
      } else if (event.type === "pointerup" && travelled < 4 && event.button === 0) {
        const { x, y } = inside(event);
        const at = viewer.pick(x, y, event.pointerType === "touch" ? 18 : 9);
        if (at >= 0 && event.shiftKey) act.toggle(at);
        else if (at >= 0) act.open(at);
      } else if (event.type === "pointerup" && line) {
        const places = drawn();
        drop();
        if (places.length > 2) act.enclose(places, event);
      }
      if (!fingers.size && line) drop();
    };
    stage.addEventListener("pointerup", lift);
    stage.addEventListener("pointercancel", lift);
    stage.addEventListener("pointerleave", () => act.point(-1, 0, 0));
    stage.addEventListener("contextmenu", (event) => event.preventDefault());

    stage.addEventListener("wheel", (event) => {
      // A page that scrolls must not be caught by the map: zoom once the map was clicked, or with Ctrl, or by pinching.
      if (!event.ctrlKey && !event.metaKey && document.activeElement !== stage) return;
      event.preventDefault();
      const place = inside(event);
      const at = half(place.x, place.y);
      const by = Math.max(-120, Math.min(120, event.deltaMode ? 30 * event.deltaY : event.deltaY));
      act.view(camera.zoomed(viewer.view, Math.exp(-by / (event.ctrlKey ? 120 : 400)), at.x, at.y));
    }, { passive: false });

    const steps = {
      ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
    };
    stage.addEventListener("keydown", (event) => {
      if (event.target !== stage || event.ctrlKey || event.metaKey || event.altKey) return;
      const step = steps[event.key];
      if (step) {
        const pans = viewer.flat || event.shiftKey;
        act.view(pans ? shift(-24 * step[0], -24 * step[1]) : turn(16 * step[0], 16 * step[1]));
      } else if (event.key === "+" || event.key === "=") act.view(camera.zoomed(viewer.view, 1.2));
      else if (event.key === "-" || event.key === "_") act.view(camera.zoomed(viewer.view, 1 / 1.2));
      else if (event.key === "0") act.view(camera.start());
      else if (event.key === "[") act.mix(-0.05);
      else if (event.key === "]") act.mix(0.05);
      else if (event.key === "n") act.step(1);
      else if (event.key === "p") act.step(-1);
      else if (event.key === "Enter" && viewer.pointed >= 0) act.open(viewer.pointed);
      else if (event.key === " " && viewer.pointed >= 0) act.toggle(viewer.pointed);
      else if (event.key === "v") act.inView();
      else if (event.key === "Escape" && line) drop();
      else if (event.key === "Escape") act.close();
      else return;
      event.preventDefault();
    });
  }

  page.gestures = { listen };
})((globalThis.medembedPage ??= {}));
