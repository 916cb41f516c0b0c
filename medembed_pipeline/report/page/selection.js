/** What is selected: as text for the address, as notes, in figures, and as a table to take away. */
(function (page) {
  "use strict";
  const { camera } = page;

  /**
   * A selection is a list of steps. Each adds the notes that meet all of its conditions, or takes them away.
   * As text: steps stand apart by " ", one that takes away begins with "-"; the conditions of a step stand apart by "*",
   * the words of a condition by ".". No notes are selected where there is no step, all by the condition `all`.
   *
   * all                                    every note
   * area.<map>.<t>.<yaw>.<pitch>.<digits>.<x_y_x_y_...>  inside a polygon on the picture plane of a map (t in percent,
   *                                        angles in 1/1000, corners in 10^-digits)
   * is.<colour>.<model>.<map>.<entry>      of an entry of a legend
   * slice.<slice=value>                    of a value of a slice
   * find.<model>.<query>                   found by a search
   * near.<note>.<model>.<pool>             among the nearest notes of a note, of the pool `all` or `held`
   * notes.<id_id_...>                      named one by one, by the beginning of their ids
   *
   * @typedef {{add: boolean, conditions: string[][]}} Step
   */

  const MODELS = { b: "baseline", t: "tuned" };
  const MOST_CORNERS = 120;

  /** A word without the signs that hold words apart. */
  const coded = (word, apart = /[.*]/g) => encodeURIComponent(word).replace(apart, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
  const plain = (word) => {
    try { return decodeURIComponent(word); } catch { return word; }
  };

  /** @param {Step[]} steps */
  const written = (steps) => steps.map(({ add, conditions }) =>
    (add ? "" : "-") + conditions.map((words) => words.join(".")).join("*")).join(" ");

  /** @param {string} text @returns {Step[]} */
  const parsed = (text) => text.split(" ").filter(Boolean).map((step) => ({
    add: !step.startsWith("-"), conditions: step.replace(/^-/, "").split("*").map((words) => words.split(".")),
  }));

  const letter = (model) => model.charAt(0);

  /** The conditions, each made from what the page knows. */
  const make = {
    all: () => ["all"],
    is: (colour, model, map, entry) => ["is", coded(colour), letter(model), coded(map), coded(entry)],
    slice: (key) => ["slice", coded(key)],
    find: (model, query) => ["find", letter(model), coded(query)],
    near: (report, at, model, heldOut) => ["near", coded(report.beginning(at)), letter(model), heldOut ? "held" : "all"],
    notes: (report, ats) => ["notes", ats.map((at) => coded(report.beginning(at), /[.*_]/g)).join("_")],
    /** Inside a polygon of places on the stage, in pixels. */
    area: (viewer, places) => {
      const { view, width, height, map, mix } = viewer;
      const digits = Math.max(2, Math.ceil(Math.log10(2 * view.zoom * Math.min(width, height))));
      const corners = simplified(places).map(([x, y]) => camera.plane(view, x, y, width, height));
      const angle = (value) => String(viewer.flat ? 0 : Math.round(1000 * value));
      return ["area", coded(map.key), String(Math.round(100 * mix)), angle(view.yaw), angle(view.pitch), String(digits),
        corners.flat().map((value) => Math.round(value * 10 ** digits)).join("_")];
    },
  };

  /** What each condition asks of a note; null where the report does not know what it names. */
  const ask = {
    all: () => () => true,
    is: (report, [colour, model, key, name]) => {
      const map = report.payload.maps.find((one) => one.key === plain(key));
      if (!MODELS[model] || !map) return null;
      const scheme = page.schemes.scheme(report, plain(colour), MODELS[model], map);
      const place = scheme.entries.findIndex((entry) => entry.key === plain(name ?? ""));
      const has = scheme.has ?? ((at) => scheme.of(at) === place);
      return place < 0 ? null : (at) => has(at, place);
    },
    slice: (report, [key]) => report.chosenOnly(plain(key ?? "")),
    find: async (report, [model, query], outdated) => {
      if (!MODELS[model] || !query) return null;
      const found = new Set(await page.search.find(report, plain(query), outdated, MODELS[model]));
      return (at) => found.has(at);
    },
    near: (report, [note, model, pool]) => {
      const at = report.beginsWith(plain(note ?? ""));
      if (!MODELS[model] || at < 0) return null;
      const near = new Set(page.panel.neighborsOf(report, at, MODELS[model], pool === "held").map((one) => one.at));
      return (other) => near.has(other);
    },
    notes: (report, [ids]) => {
      const own = new Set((ids ?? "").split("_").map((id) => report.beginsWith(plain(id))));
      return Object.assign((at) => own.has(at), { lacks: own.has(-1) });
    },
    area: (report, [key, ...words]) => {
      const map = report.payload.maps.find((one) => one.key === plain(key));
      const [t, yaw, pitch, digits] = words.slice(0, 4).map(Number);
      const corners = (words[4] ?? "").split("_").map((value) => Number(value) / 10 ** digits);
      if (!map || corners.length < 6 || corners.length % 2 || ![t, yaw, pitch, ...corners].every(Number.isFinite)) return null;
      const { before, after } = report.centred(map);
      const view = { yaw: yaw / 1000, pitch: pitch / 1000, zoom: 1, x: 0, y: 0 };
      // On a window two wide and two high, places are those of the plane, from its left and upper edge.
      const screen = camera.project(camera.matrix(view, 1, map.dimensions === 2), before, after, t / 100, 2, 2, new Float32Array(before.length));
      return (at) => within(corners, screen[3 * at] - 1, 1 - screen[3 * at + 1]);
    },
  };

  /** Whether a polygon (x, y, x, y, ...) winds around a place. */
  function within(corners, x, y) {
    let turns = 0;
    let [fromX, fromY] = corners.slice(-2);
    for (let at = 0; at < corners.length; at += 2) {
      const [toX, toY] = [corners[at], corners[at + 1]];
      if ((fromY <= y) !== (toY <= y)) {
        const left = (toX - fromX) * (y - fromY) - (x - fromX) * (toY - fromY);
        if (toY > fromY && left > 0) turns += 1;
        if (toY < fromY && left < 0) turns -= 1;
      }
      [fromX, fromY] = [toX, toY];
    }
    return turns !== 0;
  }

  /** A drawn line with as few corners as leave it within a pixel of itself (Douglas and Peucker), or a little more. */
  function simplified(places, reach = 0.7) {
    const kept = new Uint8Array(places.length);
    kept[0] = kept[places.length - 1] = 1;
    const parts = [[0, places.length - 1]];
    while (parts.length) {
      const [from, to] = parts.pop();
      let [worst, most] = [-1, reach];
      for (let at = from + 1; at < to; at += 1) {
        const away = distance(places[at], places[from], places[to]);
        if (away > most) [worst, most] = [at, away];
      }
      if (worst < 0) continue;
      kept[worst] = 1;
      parts.push([from, worst], [worst, to]);
    }
    const left = places.filter((_, at) => kept[at]);
    return left.length > MOST_CORNERS ? simplified(places, 1.5 * reach) : left;
  }

  /** From a place to a piece of line. */
  function distance([x, y], [fromX, fromY], [toX, toY]) {
    const [dx, dy] = [toX - fromX, toY - fromY];
    const squared = dx * dx + dy * dy;
    const share = squared ? Math.max(0, Math.min(1, ((x - fromX) * dx + (y - fromY) * dy) / squared)) : 0;
    return Math.hypot(x - fromX - share * dx, y - fromY - share * dy);
  }

  /**
   * The notes of a selection. A step that names what the report does not know is left out; of notes named one by one, those
   * that it does not know.
   * @param {string} text @param {() => boolean} outdated true when a newer selection is asked for
   * @returns {Promise<{notes: Set<number>, unknown: number}|null>} null when outdated; unknown: steps left out,
   *   or of which something is
   */
  async function members(report, text, outdated = () => false) {
    const notes = new Set();
    let unknown = 0;
    for (const { add, conditions } of parsed(text)) {
      const tests = [];
      for (const [kind, ...words] of conditions) {
        tests.push(Object.hasOwn(ask, kind) ? await ask[kind](report, words, outdated) : null);
        if (outdated()) return null;
      }
      if (tests.some((test) => !test || test.lacks)) unknown += 1;
      if (tests.includes(null)) continue;
      for (let at = 0; at < report.size; at += 1) {
        if (!tests.every((test) => test(at))) continue;
        if (add) notes.add(at);
        else notes.delete(at);
      }
    }
    return { notes, unknown };
  }

  /** Names with how many of the notes have each, the commonest first. @returns {Array<[string, number]>} */
  function tally(notes, namesOf) {
    const counts = new Map();
    for (const at of notes) for (const name of namesOf(at)) counts.set(name, (counts.get(name) ?? 0) + 1);
    return [...counts].sort((left, right) => right[1] - left[1] || (left[0] < right[0] ? -1 : 1));
  }

  /** Means over the notes that have the figure. */
  function means(report, notes) {
    const mean = (values) => (values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null);
    const rows = notes.map((at) => report.ledgerRow(at)).filter(Boolean);
    const { distance: moved } = report.displacement;
    return {
      scored: rows.length,
      baseline: mean(rows.map((row) => row.precision_baseline)), tuned: mean(rows.map((row) => row.precision_tuned)),
      change: mean(rows.map((row) => row.change)),
      moved: moved ? mean(notes.map((at) => moved[at]).filter(Number.isFinite)) : null,
    };
  }

  /**
   * A cell of CSV. What a spreadsheet would run as a formula has an apostrophe before it, which makes it text there (OWASP,
   * "CSV Injection").
   */
  function cell(value) {
    const plain = /^\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]/.test(value) ? `'${value}` : value;
    return /[",;\n\r\t']|^\s|\s$/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
  }

  /** The notes as CSV, in the order of the report: ids and what is known of them, never their text. */
  function csv(report, notes) {
    const columns = [
      ["note_id", (at) => report.notes.id[at]],
      ["split", (at) => report.split(at)],
      ["specialties", (at) => report.specialties(at).join("; ")],
      ["document_types", (at) => report.documentTypes(at).join("; ")],
      ...report.slices.map((slice) => [slice.name, (at) => report.sliceValues(slice, at).join("; ")]),
      ["source", (at) => report.notes.source[at] ?? ""],
    ];
    const rows = [...notes].sort((left, right) => left - right).map((at) => columns.map(([, of]) => cell(of(at))).join(","));
    return `${[columns.map(([name]) => cell(name)).join(","), ...rows].join("\r\n")}\r\n`;
  }

  page.selection = { make, parsed, written, members, within, simplified, tally, means, csv };
})((globalThis.medembedPage ??= {}));
