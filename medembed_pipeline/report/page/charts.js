/** Charts as inline SVG, drawn anew for the width they have. Colours come from the style sheet. */
(function (page) {
  "use strict";
  const { element, svg, isNumber, number, signed, clipped } = page.base;

  /** @returns {((value: number) => number) & {ticks: number[], domain: number[]}} */
  function scale(domain, range, wanted = 5) {
    const [low, high] = domain[0] === domain[1] ? [domain[0] - 0.5, domain[1] + 0.5] : domain;
    const map = (value) => range[0] + ((value - low) / (high - low)) * (range[1] - range[0]);
    const raw = (high - low) / Math.max(1, wanted);
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((value) => value >= raw * 0.999);
    map.ticks = [];
    for (let at = Math.ceil(low / step - 1e-9); at * step <= high + 1e-9 * step; at += 1) map.ticks.push(Number((at * step).toPrecision(12)));
    map.domain = [low, high];
    map.digits = Math.max(0, Math.min(6, -Math.floor(Math.log10(step) + 1e-9)));
    return map;
  }

  /** The range of all numbers, with some air. */
  function extent(values, { zero = false, air = 0.06 } = {}) {
    const known = values.filter(isNumber);
    if (!known.length) return [0, 1];
    let low = Math.min(...known, ...(zero ? [0] : []));
    let high = Math.max(...known, ...(zero ? [0] : []));
    const room = (high - low || 1) * air;
    if (!(zero && low === 0)) low -= room;
    if (!(zero && high === 0)) high += room;
    return [low, high];
  }

  let ruler = /** @type {CanvasRenderingContext2D|null} */ (null);

  /** Width of words in the page's letters, in pixels. */
  function widthOf(words, size = 13, weight = 400) {
    ruler ??= document.createElement("canvas").getContext("2d");
    ruler.font = `${weight} ${size}px ${getComputedStyle(document.body).fontFamily}`;
    return ruler.measureText(words).width;
  }

  /** Cut so that it fits into `room` pixels. */
  function fitted(words, room, size = 13, weight = 400) {
    if (widthOf(words, size, weight) <= room) return words;
    let length = Math.max(1, Math.floor((words.length * room) / widthOf(words, size, weight)));
    while (length > 1 && widthOf(clipped(words, length), size, weight) > room) length -= 1;
    return clipped(words, length);
  }

  const widest = (all, size, weight) => Math.max(0, ...all.map((words) => widthOf(words, size, weight)));

  const text = (x, y, words, attributes = {}) => svg("text", { x, y, ...attributes }, words);
  const title = (words) => svg("title", {}, words);
  const line = (x1, y1, x2, y2, kind) => svg("line", { x1, y1, x2, y2, class: kind });

  function picture(width, height, label, ...children) {
    return svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, class: "chart" }, ...children);
  }

  /** Ticks below, with thin lines through the plot. */
  function axisBelow(x, top, bottom, format) {
    return x.ticks.flatMap((value) => [
      line(x(value), top, x(value), bottom, value === 0 ? "zero" : "grid"),
      text(x(value), bottom + 16, format ? format(value) : number(value, x.digits), { "text-anchor": "middle", class: "tick" }),
    ]);
  }

  function axisLeft(y, left, right, format) {
    return y.ticks.flatMap((value) => [
      line(left, y(value), right, y(value), value === 0 ? "zero" : "grid"),
      text(left - 6, y(value) + 4, format ? format(value) : number(value, y.digits), { "text-anchor": "end", class: "tick" }),
    ]);
  }

  /** A whisker with its point. */
  function mark(x, y, row, kind, words) {
    const group = svg("g", { class: kind }, title(words));
    if (isNumber(row.low) && isNumber(row.high)) group.append(line(x(row.low), y, x(row.high), y, "whisker"));
    group.append(kind.includes("lexical") ? svg("path", { d: page.palette.outline("diamond", x(row.value), y, 5), class: "point" })
      : kind.includes("baseline") ? svg("rect", { x: x(row.value) - 4.5, y: y - 4.5, width: 9, height: 9, class: "point" })
      : svg("circle", { cx: x(row.value), cy: y, r: 5, class: "point" }));
    return group;
  }

  const spoken = (name, row, digits) =>
    `${name}: ${number(row.value, digits)}${isNumber(row.low) ? ` (${number(row.low, digits)} to ${number(row.high, digits)})` : ""}`;

  /** Better, worse, or neither, by a paired interval. */
  const judged = (change, lowerIsBetter = false) => {
    if (!change || !isNumber(change.low) || !isNumber(change.high)) return "unknown";
    if (change.low > 0) return lowerIsBetter ? "worse" : "better";
    if (change.high < 0) return lowerIsBetter ? "better" : "worse";
    return "unclear";
  };

  /**
   * Before and after on one line each.
   * @param {Array<{name: string, baseline?: any, tuned?: any, change?: any, ceiling?: number, lowerIsBetter?: boolean, note?: string}>} rows
   *   baseline, tuned, lexical, change: {value, low, high}
   */
  function dumbbells(width, rows, { label, domain = null, digits = 3, format = null } = {}) {
    const narrow = width < 600;
    const spelled = (change, whole) => (!change ? "" : whole && isNumber(change.low)
      ? `${signed(change.value, digits)} (${signed(change.low, digits)} to ${signed(change.high, digits)})` : signed(change.value, digits));
    const written = (whole) => rows.map(({ change }) => spelled(change, whole));
    const fits = !narrow || rows.every((row) => widthOf(row.name) + widthOf(spelled(row.change, true), 12.5, 600) < width - 24);
    const changes = written(fits);
    const left = narrow ? 8 : Math.min(0.36 * width, 16 + widest(rows.map((row) => row.name)));
    const right = width - (narrow ? 10 : 14 + widest(changes, 12.5, 600));
    const three = rows.some((row) => row.lexical);
    const step = (narrow ? 48 : 32) + (three ? 8 : 0);
    const bottom = 8 + step * rows.length;
    const values = rows.flatMap((row) => [row.baseline, row.tuned, row.lexical].filter(Boolean).flatMap((one) => [one.value, one.low, one.high]).concat(row.ceiling ?? []));
    const x = scale(domain ?? extent(values, { zero: true }), [left + 6, right - 6], narrow ? 4 : 6);
    const apart = values.some(isNumber) && rows.some((row) => isNumber(row.tuned?.low)) ? 4 : 0;
    const parts = axisBelow(x, 4, bottom, format);
    rows.forEach((row, place) => {
      const y = 8 + step * place + (narrow ? (three ? 37 : 33) : step / 2);
      const beside = narrow ? y - (three ? 20 : 16) : y + 4;
      const room = narrow ? width - 16 - widthOf(changes[place], 12.5, 600) : left - 14;
      parts.push(text(narrow ? left : left - 6, beside, fitted(row.name, room), { "text-anchor": narrow ? "start" : "end", class: "name" }));
      if (row.baseline && row.tuned) parts.push(line(x(row.baseline.value), y, x(row.tuned.value), y, "between"));
      if (isNumber(row.ceiling)) {
        parts.push(svg("g", { class: "ceiling" }, title(row.ceilingWords ?? `${row.name}: no model could do better than ${number(row.ceiling, digits)} with these labels`),
          line(x(row.ceiling), y - 11, x(row.ceiling), y + 11, "limit")));
      }
      if (row.lexical) parts.push(mark(x, y + 10, row.lexical, "lexical", spoken(`${row.name}, word matching`, row.lexical, digits)));
      if (row.baseline) parts.push(mark(x, three ? y : y + apart, row.baseline, "baseline", spoken(`${row.name}, baseline`, row.baseline, digits)));
      if (row.tuned) parts.push(mark(x, three ? y - 10 : y - apart, row.tuned, "tuned", spoken(`${row.name}, tuned`, row.tuned, digits)));
      if (changes[place]) {
        parts.push(text(narrow ? width - 4 : right + 8, beside, changes[place],
          { class: `change ${judged(row.change, row.lowerIsBetter)}`, "text-anchor": narrow ? "end" : "start" }));
      }
    });
    return picture(width, bottom + 24, label ?? "Before and after", ...parts);
  }

  /** Differences with their intervals, one row each, a band for what is tolerated. */
  function forest(width, rows, { label, tolerance = 0, counted = "notes", digits = 3 } = {}) {
    const narrow = width < 600;
    const names = rows.map((row) => `${row.name} (${row.n})`);
    const levels = rows.map((row) => `${number(row.before, 2)} → ${number(row.after, 2)}`);
    const changes = rows.map((row) => signed(row.value, 2));
    const changeRoom = widest(changes, 12.5, 600) + 10;
    const levelRoom = widest(levels, 12.5);
    const left = narrow ? 8 : Math.min(0.36 * width, 16 + widest(names));
    const right = width - (narrow ? 10 : 14 + changeRoom + levelRoom);
    const step = narrow ? 42 : 24;
    const bottom = 8 + step * rows.length;
    const x = scale(extent([...rows.flatMap((row) => [row.value, row.low, row.high]), -Math.max(tolerance, ...rows.map((row) => row.tolerated ?? 0))], { zero: true }), [left + 8, right - 8], narrow ? 4 : 6);
    const parts = [];
    if (tolerance > 0) {
      parts.push(svg("rect", { x: x(-tolerance), y: 4, width: x(0) - x(-tolerance), height: bottom - 4, class: "tolerated" },
        title(`A fall of up to ${number(tolerance, 2)} is tolerated`)));
    }
    parts.push(...axisBelow(x, 4, bottom, (value) => signed(value, x.digits)));
    rows.forEach((row, place) => {
      const y = 8 + step * place + (narrow ? 30 : step / 2);
      const kind = judged(row);
      const words = `${row.name}: ${number(row.before, digits)} to ${number(row.after, digits)}, change ${signed(row.value, digits)}` +
        `${isNumber(row.low) ? ` (${signed(row.low, digits)} to ${signed(row.high, digits)})` : ""}, ${row.n} ${counted}`;
      const room = narrow ? width - 24 - changeRoom : left - 14;
      const beside = narrow ? y - 14 : y + 4;
      parts.push(text(narrow ? left : left - 6, beside, fitted(names[place], room), { "text-anchor": narrow ? "start" : "end", class: "name" }));
      if (row.tolerated > 0) {
        parts.push(svg("rect", { x: x(-row.tolerated), y: y - 8, width: x(0) - x(-row.tolerated), height: 16, class: "tolerated" },
          title(`${row.name}: a fall of up to ${number(row.tolerated, 2)} is tolerated`)));
      }
      parts.push(mark(x, y, row, kind, words));
      if (!narrow) parts.push(text(width - 4 - changeRoom, beside, levels[place], { class: "change unclear", "text-anchor": "end" }));
      parts.push(text(width - 4, beside, changes[place], { class: `change ${kind}`, "text-anchor": "end" }));
    });
    return picture(width, bottom + 24, label ?? "Change by specialty", ...parts);
  }

  /** First and one after the last bin that hold something, with a bin of air. @returns {[number, number]} */
  function used(series) {
    const bins = series[0].shares.length;
    const held = series.flatMap((one) => one.shares.flatMap((share, bin) => (share > 0 ? [bin] : [])));
    return held.length ? [Math.max(0, Math.min(...held) - 1), Math.min(bins, Math.max(...held) + 2)] : [0, bins];
  }

  /** Overlaid histograms. @param {Array<{name: string, kind: string, shares: number[]}>} series over `domain` in equal bins */
  function histogram(width, series, { label, domain = [-1, 1], height = 200, axis = "", top = null, marker = null, span = null } = {}) {
    const [left, right, head, bottom] = [46, width - 10, 10, height - 36];
    const bins = series[0].shares.length;
    const [from, to] = span ?? used(series);
    const edge = (bin) => domain[0] + (bin * (domain[1] - domain[0])) / bins;
    const x = scale([edge(from), edge(to)], [left, right], width < 420 ? 4 : 7);
    const y = scale([0, top ?? Math.max(...series.flatMap((one) => one.shares))], [bottom, head], 3);
    const parts = [...axisBelow(x, head, bottom), ...axisLeft(y, left, right, (value) => page.base.percent(value, y.digits > 2 ? 1 : 0))];
    for (const one of series) {
      let path = `M${x(edge(from))},${y(0)}`;
      for (let bin = from; bin < to; bin += 1) path += `L${x(edge(bin)).toFixed(1)},${y(one.shares[bin]).toFixed(1)}H${x(edge(bin + 1)).toFixed(1)}`;
      parts.push(svg("path", { d: `${path}L${x(edge(to))},${y(0)}Z`, class: `area ${one.kind}` }));
    }
    if (marker) {
      parts.push(line(x(marker.value), head, x(marker.value), bottom, "limit"),
        text(x(marker.value) + 4, head + 10, marker.name, { class: "tick" }));
    }
    // One invisible column for each bin carries the words for all series.
    for (let bin = from; bin < to; bin += 1) {
      const words = `${number(edge(bin), 2)} to ${number(edge(bin + 1), 2)}: ${series.map((one) => `${one.name} ${page.base.percent(one.shares[bin], 1)}`).join(", ")}`;
      parts.push(svg("rect", { x: x(edge(bin)), y: head, width: Math.max(0.5, x(edge(bin + 1)) - x(edge(bin))), height: bottom - head, class: "hover" }, title(words)));
    }
    parts.push(text((left + right) / 2, height - 3, axis, { "text-anchor": "middle", class: "tick" }));
    return picture(width, height, label, ...parts);
  }

  /** Box plots. @param {Array<{name: string, kind: string, minimum, q1, median, q3, maximum, mean, std}>} rows */
  function boxes(width, rows, { label } = {}) {
    const narrow = width < 560;
    const left = narrow ? 8 : 16 + widest(rows.map((row) => row.name));
    const step = narrow ? 44 : 30;
    const bottom = 6 + step * rows.length;
    const x = scale(extent(rows.flatMap((row) => [row.minimum, row.maximum])), [left + 6, width - 12], narrow ? 4 : 7);
    const parts = axisBelow(x, 4, bottom);
    rows.forEach((row, place) => {
      const y = 6 + step * place + (narrow ? 30 : step / 2);
      const words = `${row.name}: median ${number(row.median, 3)}, middle half ${number(row.q1, 3)} to ${number(row.q3, 3)}, ` +
        `range ${number(row.minimum, 3)} to ${number(row.maximum, 3)}, mean ${number(row.mean, 3)} ± ${number(row.std, 3)}`;
      parts.push(text(narrow ? left : left - 4, narrow ? y - 14 : y + 4, row.name, { class: "name", "text-anchor": narrow ? "start" : "end" }));
      parts.push(svg("g", { class: `box ${row.kind}` }, title(words),
        line(x(row.minimum), y, x(row.maximum), y, "whisker"),
        svg("rect", { x: x(row.q1), y: y - 8, width: Math.max(1, x(row.q3) - x(row.q1)), height: 16 }),
        line(x(row.median), y - 8, x(row.median), y + 8, "median")));
    });
    return picture(width, bottom + 24, label ?? "Box plots", ...parts);
  }

  /** Lines over epochs. @param {Array<{name: string, kind: string, points: Array<[number, number]>}>} series */
  function lines(width, series, { label, axis = "epoch", height = 220, domain = null } = {}) {
    const [left, right, head, bottom] = [50, width - 14, 12, height - 36];
    const all = series.flatMap((one) => one.points);
    const x = scale(extent(all.map(([at]) => at), { air: 0.03 }), [left, right], 6);
    x.ticks = x.ticks.filter(Number.isInteger);
    x.digits = 0;
    const y = scale(domain ?? extent(all.map(([, value]) => value)), [bottom, head], 4);
    const parts = [...axisBelow(x, head, bottom), ...axisLeft(y, left, right)];
    for (const one of series) {
      const known = one.points.filter(([, value]) => isNumber(value));
      parts.push(svg("path", { class: `trace ${one.kind}`, d: known.map(([at, value], place) => `${place ? "L" : "M"}${x(at).toFixed(1)},${y(value).toFixed(1)}`).join("") }));
      for (const [at, value] of known) {
        parts.push(svg("circle", { cx: x(at), cy: y(value), r: 4, class: `dot ${one.kind}` }, title(`${one.name}, ${axis} ${at}: ${number(value, 4)}`)));
      }
    }
    parts.push(text((left + right) / 2, height - 3, axis, { "text-anchor": "middle", class: "tick" }));
    return picture(width, height, label, ...parts);
  }

  /** A small square map. @param {Array<{x: number, y: number, look: any, words: string}>} points @param {number[][]} domains of x and y */
  function scatter(width, points, domains, { label }) {
    const side = Math.min(width, 340);
    const [x, y] = [scale(domains[0], [6, side - 6]), scale(domains[1], [side - 6, 6])];
    const { hex, outline, isHollow } = page.palette;
    return picture(side, side, label, svg("rect", { x: 0.5, y: 0.5, width: side - 1, height: side - 1, class: "frame" }),
      ...points.map((point) => {
        const hollow = isHollow(point.look.shape);
        return svg("path", {
          d: outline(point.look.shape, x(point.x), y(point.y), 3.4), class: "place", fill: hollow ? "none" : hex(point.look.colour),
          stroke: hollow ? hex(point.look.colour) : "none", "stroke-width": hollow ? 1.3 : 0,
        }, title(point.words));
      }));
  }

  /** Names of the series with their colours. */
  const key = (...entries) => element("p", { class: "key" }, entries.map(([kind, name]) => element("span", {}, element("i", { class: `swatch ${kind}` }), name)));

  /**
   * A figure: its name, how to read it, and a picture drawn for the width it gets.
   * @param {(width: number) => Node} draw
   */
  function figure(name, reading, draw, ...more) {
    const plot = element("div", { class: "plot" });
    let drawn = 0;
    const redraw = () => {
      const width = Math.floor(plot.getBoundingClientRect().width);
      if (!width || width === drawn) return;
      drawn = width;
      plot.replaceChildren(draw(width));
    };
    const made = element("figure", {}, element("figcaption", {}, element("h3", {}, name), element("p", { class: "reading" }, reading)), plot, ...more);
    new ResizeObserver(redraw).observe(plot);
    made.redraw = () => {
      drawn = 0;
      redraw();
    };
    return made;
  }

  page.charts = { scale, extent, dumbbells, forest, histogram, used, boxes, lines, scatter, figure, key, judged, picture, title, text, widthOf, fitted, widest };
})((globalThis.medembedPage ??= {}));
