/** The change by slice: by site, by sex, by age, or any other column of the landing files. */
(function (page) {
  "use strict";
  const { element, number, signed, count, percent, isNumber, words, capital } = page.base;
  const { figure, forest } = page.charts;
  const { table, choice, folded } = page.tables;

  const keyOf = ([metric, k]) => `${metric}${isNumber(k) ? `@${k}` : ""}`;

  function slices(app) {
    const { report } = app;
    const rows = report.table("slice_metrics");
    if (!rows?.length) return null;
    const names = [...new Set(rows.map((row) => row.slice))];
    const found = new Map(rows.map((row) => [JSON.stringify([row.slice, row.value_name, row.model, row.metric, row.k ?? null]), row]));
    const find = (slice, value, model, [metric, k]) => found.get(JSON.stringify([slice, value, model, metric, k]));
    const offered = page.sections.HEADLINES.filter(([metric, k]) => rows.some((row) => row.metric === metric && (row.k ?? null) === k));
    const main = report.setting("verdict", "main_metric") ?? "precision@5";
    const tolerance = report.setting("verdict", "slice_tolerance") ?? 0;
    const { store } = app;
    const slice = () => (names.includes(store.state.slice) ? store.state.slice : names[0]);
    const shown = () => offered.find((one) => keyOf(one) === store.state.figure) ?? offered.find((one) => keyOf(one) === main) ?? offered[0];

    /** Every value of the chosen slice with its figures. */
    const lines = () => [...new Set(rows.filter((row) => row.slice === slice()).map((row) => row.value_name))].map((value) => {
      const [before, after, change] = ["baseline", "tuned", "difference"].map((model) => find(slice(), value, model, shown()));
      return {
        key: value, name: value, value: change?.value, low: change?.ci_low, high: change?.ci_high, n: change?.n ?? 0,
        groups: change?.groups ?? 0, share: change?.share, before: before?.value, after: after?.value,
      };
    });
    const made = figure("Change by slice",
      "One row per value, from low to high, with its held-out notes in brackets: the change of the chosen figure and its interval. They search " +
      "among all held-out notes. Left of zero is harm. " +
      (tolerance ? `The shaded band is the fall that the verdict tolerates (${number(tolerance, 2)}). ` : "") +
      "Good: no vermillion row, and no value far from the others. A wide interval means few notes, not a large effect.",
      (width) => forest(width, lines().filter((row) => isNumber(row.value)), { tolerance, label: `Change by ${slice()}` }));
    const place = report.slices.length ? element("p", {}, element("a", { href: "#at=map", on: { click: () => store.set({ colour: `slice:${slice()}`, lit: "" }) } }, "Show it on the map")) : null;
    const full = table([
      { name: "Value", cell: (row) => row.name },
      { name: "Baseline", numeric: true, cell: (row) => number(row.before), by: (row) => row.before ?? null },
      { name: "Tuned", numeric: true, cell: (row) => number(row.after), by: (row) => row.after ?? null },
      { name: "Change", numeric: true, cell: (row) => signed(row.value), by: (row) => row.value ?? null },
      { name: "Interval", numeric: true, cell: (row) => (isNumber(row.low) ? `${signed(row.low)} to ${signed(row.high)}` : "none: too few groups") },
      { name: "Notes", numeric: true, cell: (row) => count(row.n), by: (row) => row.n },
      { name: "Groups", numeric: true, cell: (row) => count(row.groups), by: (row) => row.groups, about: "Independent groups (near-duplicates, patients) behind the figure" },
      { name: "Share", numeric: true, cell: (row) => percent(row.share, 1), by: (row) => row.share ?? null, about: "Of all scored notes; a note of rows that disagree is in several values" },
      ...(report.slices.length ? [{
        name: "Map", cell: (row) => element("button", { type: "button", title: `Show the notes of ${row.name} alone on the map`, on: { click: () => alone(row) } }, "show alone"),
      }] : []),
    ], lines(), { label: "Figures by slice", first: 60 });
    const alone = (row) => store.set({ only: `${slice()}=${row.key === "(none)" ? "" : row.key}`, at: "map" }, true);
    const slicePicker = names.length > 1
      ? choice("Slice", names.map((name) => [name, capital(words(name))]), slice(), (name) => store.set({ slice: name })) : null;
    const figurePicker = choice("Figure", offered.map((one) => [keyOf(one), one[2]]), keyOf(shown()), (key) => store.set({ figure: key }));
    store.listen((_, changed) => {
      if (!changed.has("slice") && !changed.has("figure")) return;
      slicePicker?.press(slice());
      figurePicker.press(keyOf(shown()));
      made.redraw();
      full.show(lines());
    });
    return [slicePicker, figurePicker, made, folded("By slice as a table", full), place];
  }

  page.section({ id: "slices", title: "By slice", after: "specialties", show: slices });
})((globalThis.medembedPage ??= {}));
