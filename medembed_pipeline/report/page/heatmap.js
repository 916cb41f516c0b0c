/** Heatmaps: rows x columns of figures, light to dark (or dark to light), or around zero in two colours. */
(function (page) {
  "use strict";
  const { svg, isNumber, number, clipped } = page.base;
  const { picture, title, text } = page.charts;

  const MOST = 60;
  const LIGHT = { low: [244, 247, 250], high: [11, 60, 111], below: [190, 74, 0] };
  const DARK = { low: [30, 36, 44], high: [168, 216, 250], below: [240, 138, 60] };

  const mixed = (from, to, share) => `rgb(${from.map((value, at) => Math.round(value + (to[at] - value) * share)).join(" ")})`;

  /** @param {number[]} domain with `diverging`, zero is the middle */
  function tint(value, domain, diverging) {
    const ends = page.palette.isDark() ? DARK : LIGHT;
    if (diverging) {
      const reach = Math.max(Math.abs(domain[0]), Math.abs(domain[1])) || 1;
      return mixed(ends.low, value < 0 ? ends.below : ends.high, Math.min(1, Math.abs(value) / reach));
    }
    return mixed(ends.low, ends.high, Math.max(0, Math.min(1, (value - domain[0]) / (domain[1] - domain[0] || 1))));
  }

  /**
   * @param {{rows: string[], columns: string[], value: (row: number, column: number) => number|null, domain: number[],
   *   label: string, digits?: number, diverging?: boolean, marked?: (row: number, column: number) => boolean,
   *   words?: (row: number, column: number) => string, rowName?: string, columnName?: string}} given
   */
  function heatmap(width, given) {
    const rows = given.rows.slice(0, MOST);
    const columns = given.columns.slice(0, MOST);
    const longest = (names) => Math.max(3, ...names.map((name) => name.length));
    const letters = width < 480 ? 14 : 26;
    const left = Math.min(0.36 * width, 8 + 6.2 * Math.min(letters, longest(rows)));
    const cell = Math.max(4, Math.min(26, (width - left - 4) / Math.max(1, columns.length)));
    const named = cell >= 9;
    const head = named ? 8 + 6.2 * Math.min(letters, longest(columns)) * 0.94 : 8;
    const digits = given.digits ?? 2;
    const parts = [];
    const fits = Math.max(3, Math.floor((left - 8) / 6.2));
    rows.forEach((name, row) => {
      if (named) parts.push(text(left - 5, head + cell * (row + 0.5) + 4, clipped(name, fits), { "text-anchor": "end", class: "tick" }));
      columns.forEach((other, column) => {
        const value = given.value(row, column);
        if (!isNumber(value)) return;
        const words = given.words ? given.words(row, column) : `${name} × ${other}: ${number(value, digits)}`;
        parts.push(svg("rect", {
          x: (left + cell * column).toFixed(2), y: (head + cell * row).toFixed(2), width: Math.max(1, cell - (cell > 8 ? 1 : 0)).toFixed(2),
          height: Math.max(1, cell - (cell > 8 ? 1 : 0)).toFixed(2), fill: tint(value, given.domain, given.diverging),
        }, title(words)));
        if (given.marked?.(row, column)) {
          parts.push(svg("circle", { cx: left + cell * (column + 0.46), cy: head + cell * (row + 0.46), r: Math.max(1, cell / 7), class: "marked", "pointer-events": "none" }));
        }
      });
    });
    if (named) {
      columns.forEach((name, column) => {
        const [x, y] = [left + cell * (column + 0.65), head - 5];
        parts.push(text(x, y, clipped(name, Math.min(letters, Math.floor((head - 8) / 5.8))), { class: "tick", transform: `rotate(-90 ${x.toFixed(1)} ${y.toFixed(1)})` }));
      });
    }
    const height = head + cell * rows.length + 8;
    return picture(width, height, given.label, ...parts);
  }

  /** The scale of a heatmap. */
  function scaleBar(domain, diverging, format) {
    const steps = Array.from({ length: 9 }, (_, at) => domain[0] + ((domain[1] - domain[0]) * at) / 8);
    const bar = svg("svg", { width: 144, height: 14, "aria-hidden": "true" },
      ...steps.map((value, at) => svg("rect", { x: 16 * at, y: 0, width: 16, height: 14, fill: tint(value, domain, diverging) })));
    return page.base.element("p", { class: "key" }, format(domain[0]), bar, format(domain[1]));
  }

  page.heatmap = { heatmap, scaleBar, MOST };
})((globalThis.medembedPage ??= {}));
