/** The map of all notes on a canvas, the asked note on it, and its nearest. */
(function (page) {
  "use strict";

  const { element, refill, listed } = page.base;
  const { LOOKS, OTHER, NONE, hex, outline, isHollow, symbol } = page.palette;
  const MARGIN = 14;
  const REACH = 12;
  const METHODS = { umap: "UMAP", tsne: "t-SNE", pca: "the first two principal components" };

  /** @type {any} */ let map = null;
  /** @type {any} */ let shown = { found: null, stored: false };
  let onNote = (/** @type {string} */ _) => {};

  /** @param {any} answer of GET /map */
  function load(answer, open) {
    const bytes = Uint8Array.from(atob(answer.xy), (letter) => letter.charCodeAt(0));
    const counts = answer.label_names.map(() => 0);
    for (const code of answer.labels) if (code >= 0) counts[code] += 1;
    const order = counts.map((_, code) => code).sort((one, other) => counts[other] - counts[one]);
    const lookOf = new Map(order.map((code, place) => [code, LOOKS[place] ?? OTHER]));
    map = {
      ids: answer.note_ids, labels: answer.labels, names: answer.label_names, order, counts, method: answer.method,
      xy: new Float32Array(bytes.buffer), lookOf, snapshot: answer.snapshot,
    };
    onNote = open;
    bound();
  }

  const look = (code) => (code < 0 ? NONE : map.lookOf.get(code));

  function bound() {
    let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let at = 0; at < map.xy.length; at += 2) {
      if (!Number.isFinite(map.xy[at])) continue;
      left = Math.min(left, map.xy[at]); right = Math.max(right, map.xy[at]);
      low = Math.min(low, map.xy[at + 1]); high = Math.max(high, map.xy[at + 1]);
    }
    map.bounds = { left, low, width: Math.max(right - left, 1e-6), height: Math.max(high - low, 1e-6) };
  }

  /** Screen place of a place on the map, y upwards. */
  function onScreen(x, y) {
    const canvas = document.getElementById("canvas");
    const { left, low, width, height } = map.bounds;
    const scale = Math.min((canvas.clientWidth - 2 * MARGIN) / width, (canvas.clientHeight - 2 * MARGIN) / height);
    return [
      (canvas.clientWidth - width * scale) / 2 + (x - left) * scale,
      canvas.clientHeight - (canvas.clientHeight - height * scale) / 2 - (y - low) * scale,
    ];
  }

  function draw() {
    const canvas = document.getElementById("canvas");
    if (!map || !canvas.clientWidth) return;
    const sharp = Math.min(2, devicePixelRatio || 1);
    canvas.width = canvas.clientWidth * sharp;
    canvas.height = canvas.clientHeight * sharp;
    const brush = canvas.getContext("2d");
    brush.scale(sharp, sharp);
    const style = getComputedStyle(document.documentElement);
    const ink = style.getPropertyValue("--text");
    const radius = map.ids.length > 20000 ? 1.6 : map.ids.length > 3000 ? 2.4 : 3.6;
    brush.globalAlpha = shown.found ? 0.55 : 0.85;
    map.labels.forEach((code, row) => mark(brush, ...onScreen(map.xy[2 * row], map.xy[2 * row + 1]), radius, look(code)));
    brush.globalAlpha = 1;
    const place = shown.found?.place;
    const near = (shown.found?.hits ?? []).filter((hit) => hit.place);
    if (place) {
      const [x, y] = onScreen(place.x, place.y);
      brush.strokeStyle = ink;
      brush.lineWidth = 1;
      for (const hit of near) {
        const [hx, hy] = onScreen(hit.place.x, hit.place.y);
        brush.globalAlpha = 0.5;
        brush.beginPath(); brush.moveTo(x, y); brush.lineTo(hx, hy); brush.stroke();
      }
      brush.globalAlpha = 1;
    }
    for (const hit of near) {
      const code = map.names.indexOf(hit.labels?.[0]);
      const [x, y] = onScreen(hit.place.x, hit.place.y);
      mark(brush, x, y, radius + 2, look(code));
      brush.strokeStyle = ink;
      brush.lineWidth = 1.2;
      brush.beginPath(); brush.arc(x, y, radius + 4, 0, 2 * Math.PI); brush.stroke();
    }
    if (place) {
      const [x, y] = onScreen(place.x, place.y);
      const star = new Path2D(outline("star", x, y, 11));
      brush.fillStyle = ink;
      brush.fill(star);
      brush.strokeStyle = style.getPropertyValue("--surface");
      brush.lineWidth = 1.5;
      brush.stroke(star);
    }
  }

  function mark(brush, x, y, radius, { colour, shape }) {
    if (!Number.isFinite(x)) return;
    const path = new Path2D(outline(shape, x, y, radius));
    if (isHollow(shape)) {
      brush.strokeStyle = hex(colour); brush.lineWidth = 1.2; brush.stroke(path);
    } else {
      brush.fillStyle = hex(colour); brush.fill(path);
    }
  }

  /** @param {any} found of POST /search, or null */
  function show(found) {
    shown = { found };
    const near = new Set((found?.hits ?? []).map((hit) => map.names.indexOf(hit.labels?.[0])));
    const first = map.order.slice(0, 8);
    const codes = [...first, ...map.order.filter((code) => near.has(code) && !first.includes(code))];
    const more = map.order.length - codes.length;
    refill(document.getElementById("legend"),
      found?.place ? element("li", {}, symbol({ colour: "ink", shape: "star" }), found.stored_as ? "this note" : "your note") : null,
      codes.map((code) => element("li", {}, symbol(look(code)), map.names[code])),
      more > 0 ? element("li", {}, `and ${more} more labels`) : null);
    const how = found?.place && !found.stored_as
      ? " Your note was not there when the map was made: the star is the mean of its nearest notes' places, by similarity. It shows among which notes it lies, not where the map would have put it."
      : "";
    document.getElementById("map-said").textContent =
      `All ${map.ids.length} notes by ${METHODS[map.method] ?? map.method}; rings are the nearest notes found.${how}`;
    document.getElementById("canvas").setAttribute("aria-label", described(found));
    draw();
  }

  function described(found) {
    const labels = [...new Set((found?.hits ?? []).flatMap((hit) => hit.labels ?? []))];
    return labels.length ? `The map of all notes; the nearest are of ${listed(labels.slice(0, 6))}` : "The map of all notes";
  }

  function nearestTo(event) {
    const box = event.currentTarget.getBoundingClientRect();
    let best = -1, distance = REACH;
    for (let row = 0; row < map.ids.length; row += 1) {
      const [x, y] = onScreen(map.xy[2 * row], map.xy[2 * row + 1]);
      const away = Math.hypot(x - (event.clientX - box.left), y - (event.clientY - box.top));
      if (away < distance) { best = row; distance = away; }
    }
    return best;
  }

  function listen() {
    const canvas = document.getElementById("canvas");
    const tip = document.getElementById("tip");
    canvas.addEventListener("pointermove", (event) => {
      const row = map ? nearestTo(event) : -1;
      tip.hidden = row < 0;
      if (row < 0) return;
      const [x, y] = onScreen(map.xy[2 * row], map.xy[2 * row + 1]);
      refill(tip, element("strong", {}, map.names[map.labels[row]] ?? "no label"), element("span", { class: "id" }, map.ids[row]));
      tip.style.left = `${Math.max(0, Math.min(x + 10, canvas.clientWidth - tip.offsetWidth))}px`;
      tip.style.top = `${Math.max(0, Math.min(y + 10, canvas.clientHeight - tip.offsetHeight))}px`;
    });
    canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
    canvas.addEventListener("click", (event) => {
      const row = map ? nearestTo(event) : -1;
      if (row >= 0) onNote(map.ids[row]);
    });
    addEventListener("resize", draw);
  }

  /** Where each note is drawn, in pixels of the canvas. */
  const places = () => map.ids.map((_, row) => onScreen(map.xy[2 * row], map.xy[2 * row + 1]));
  const snapshot = () => map?.snapshot ?? "";

  page.map = { load, show, draw, listen, places, snapshot };
})((globalThis.medembedPage ??= {}));
