/** Heatmaps: rows x columns of figures, light to dark (or dark to light), or around zero in two colours. */
(function (page) {
  "use strict";
  const { svg, isNumber, number } = page.base;
  const { picture, title, text, fitted, widest } = page.charts;

  const MOST = 60;
  const LIGHT = { low: [244, 247, 250], high: [11, 60, 111], below: [190, 74, 0] };
  const DARK = { low: [30, 36, 44], high: [168, 216, 250], below: [240, 138, 60] };
  const LARGEST_LETTERS = 11.5;

  const mixed = (from, to, share) => `rgb(${from.map((value, at) => Math.round(value + (to[at] - value) * share)).join(" ")})`;

  /** @param {number[]} domain with `diverging`, zero is the middle, and more is worse */
  function tint(value, domain, diverging) {
    const ends = page.palette.isDark() ? DARK : LIGHT;
    if (diverging) {
      const reach = Math.max(Math.abs(domain[0]), Math.abs(domain[1])) || 1;
      return mixed(ends.low, value > 0 ? ends.below : ends.high, Math.min(1, Math.abs(value) / reach));
    }
    return mixed(ends.low, ends.high, Math.max(0, Math.min(1, (value - domain[0]) / (domain[1] - domain[0] || 1))));
  }

  /**
   * @param {{rows: string[], columns: string[], value: (row: number, column: number) => number|null, domain: number[],
   *   label: string, digits?: number, diverging?: boolean, largest?: number, marked?: (row: number, column: number) => boolean,
   *   words?: (row: number, column: number) => string}} given
   */
  function heatmap(width, given) {
    const rows = given.rows.slice(0, MOST);
    const columns = given.columns.slice(0, MOST);
    const most = width < 480 ? 92 : 170;
    const left = Math.min(0.36 * width, 12 + Math.min(most, widest(rows, LARGEST_LETTERS)));
    // What is too wide for a phone scrolls sideways and stays legible.
    const cell = Math.max(9, Math.min(given.largest ?? 26, (width - left - 4) / Math.max(1, columns.length)));
    const letters = Math.min(LARGEST_LETTERS, 0.98 * cell);
    const head = 12 + Math.min(most, widest(columns, letters));
    const digits = given.digits ?? 2;
    const parts = [];
    rows.forEach((name, row) => {
      parts.push(text(left - 5, head + cell * (row + 0.46) + 0.36 * letters, fitted(name, left - 8, letters), { "text-anchor": "end", class: "tick", "font-size": letters }));
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
    columns.forEach((name, column) => {
      const [x, y] = [left + cell * (column + 0.46) + 0.36 * letters, head - 5];
      parts.push(text(x, y, fitted(name, head - 8, letters), { class: "tick", "font-size": letters, transform: `rotate(-90 ${x.toFixed(1)} ${y.toFixed(1)})` }));
    });
    const height = head + cell * rows.length + 8;
    return picture(Math.max(width, left + cell * columns.length + 4), height, given.label, ...parts);
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
