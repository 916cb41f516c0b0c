/** Tables a reader can sort, that show their first rows and more on demand. */
(function (page) {
  "use strict";
  const { element, count, isNumber } = page.base;

  /**
   * @typedef {{name: string, cell: (row: any) => Node|string|null, by?: (row: any) => any, numeric?: boolean,
   *   about?: string}} Column  `by` gives what the column is sorted by; without it the column is not sorted.
   */

  const compared = (left, right) => {
    const [noLeft, noRight] = [left === null || left === undefined, right === null || right === undefined];
    if (noLeft || noRight) return Number(noLeft) - Number(noRight);
    return isNumber(left) && isNumber(right) ? left - right : String(left).localeCompare(String(right), "en");
  };

  /**
   * @param {Column[]} columns @param {any[]} rows
   * @param {{label: string, first?: number, open?: (row: any) => void, empty?: string}} how
   * @returns {HTMLElement & {show: (rows: any[]) => void}}
   */
  function table(columns, rows, { label, first = 20, open = null, empty = "No rows." }) {
    let shown = first;
    let all = rows;
    let sorted = /** @type {{at: number, down: boolean}|null} */ (null);
    const body = element("tbody", {});
    const more = element("button", { type: "button", class: "more", on: { click: () => { shown += 50; draw(); } } });

    const heads = columns.map((column, at) => element("th", { scope: "col", class: column.numeric ? "numeric" : null },
      column.by
        ? element("button", {
          type: "button", title: column.about ?? `Sort by ${column.name}`,
          on: { click: () => { sorted = { at, down: sorted?.at === at ? !sorted.down : false }; draw(); } },
        }, column.name)
        : element("span", { title: column.about ?? null }, column.name)));

    function ordered() {
      if (!sorted) return all;
      const { by } = columns[sorted.at];
      const sign = sorted.down ? -1 : 1;
      return [...all].sort((left, right) => sign * compared(by(left), by(right)));
    }

    function draw() {
      heads.forEach((head, at) => {
        if (sorted?.at === at) head.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
        else head.removeAttribute("aria-sort");
      });
      body.replaceChildren(...ordered().slice(0, shown).map((row) => {
        const line = element("tr", { class: open ? "opens" : null },
          columns.map((column) => element("td", { class: column.numeric ? "numeric" : null }, column.cell(row))));
        if (open) line.addEventListener("click", (event) => { if (!event.target.closest("button, a")) open(row); });
        return line;
      }));
      if (!all.length) body.append(element("tr", {}, element("td", { colspan: columns.length, class: "reading" }, empty)));
      more.hidden = shown >= all.length;
      more.textContent = `Show ${count(Math.min(50, all.length - shown))} more of ${count(all.length)}`;
    }

    const made = element("div", {}, element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label },
      element("table", {}, element("thead", {}, element("tr", {}, heads)), body)), more);
    made.show = (next) => {
      all = next;
      shown = first;
      draw();
    };
    draw();
    return made;
  }

  /** A button that opens a note. */
  function noteButton(app, at) {
    return element("button", { type: "button", class: "note", "data-note": at, title: "Open this note", on: { click: () => app.open(at) } },
      element("strong", {}, app.report.label(at)), element("span", { class: "id" }, app.report.shortId(at)));
  }

  /** ● for a relevant neighbour, ○ for another, nearest first. */
  function dots(relevant, kind) {
    const hits = relevant.filter(Boolean).length;
    return element("span", { class: `dots ${kind}`, role: "img", "aria-label": `${hits} of ${relevant.length} relevant` },
      relevant.map((one) => (one ? "●" : "○")).join(""));
  }

  /** A figure, and its interval below it. */
  const ranged = (row, shown) => (isNumber(row?.value)
    ? element("span", {}, shown(row.value), isNumber(row.ci_low) ? element("span", { class: "range" }, `${shown(row.ci_low)} to ${shown(row.ci_high)}`) : null) : "–");

  /** A row of buttons of which one is pressed. */
  function choice(label, options, chosen, choose) {
    const root = element("div", { class: "choice", role: "group", "aria-label": label });
    const buttons = options.map(([value, name]) => element("button", {
      type: "button", "aria-pressed": String(value === chosen),
      on: {
        click: () => {
          root.press(value);
          choose(value);
        },
      },
    }, name));
    /** Show another option as the pressed one. */
    root.press = (value) => buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(options[at][0] === value)));
    root.append(element("span", {}, label), ...buttons);
    return root;
  }

  const folded = (name, ...children) => element("details", {}, element("summary", {}, name), ...children);

  page.tables = { table, noteButton, dots, ranged, choice, folded };
})((globalThis.medembedPage ??= {}));
