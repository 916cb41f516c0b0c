/** The metrics of both models: over all notes, by specialty, and by slice (site, sex, age, or any other landing column). */
(function (page) {
  "use strict";
  const { element, number, signed, count, percent, isNumber, interval } = page.base;
  const { specified } = page.charts;
  const { table, folded } = page.tables;
  const { HEADLINES, metricName, metricRows, finder } = page.figures;

  function metrics(app) {
    const { report } = app;
    const rows = metricRows(report);
    if (!rows.length) return null;
    const find = finder(rows);
    const scope = (name) => [...new Set(rows.filter((row) => row.scope === name).map((row) => `${row.metric}|${row.k ?? ""}`))]
      .map((pair) => pair.split("|")).map(([metric, k]) => ({ metric, k: k === "" ? null : Number(k), scope: name }));
    const cells = ["all", "macro"].flatMap(scope);
    const value = (model) => (row) => find(model, row.scope, row.metric, row.k);
    const column = (name, model, form) => ({
      name, numeric: true, by: (row) => value(model)(row)?.value ?? null,
      cell: (row) => { const one = value(model)(row); return one ? form(one) : "–"; },
    });
    const full = table([
      { name: "Figure", cell: (row) => metricName(row.metric, row.k), by: (row) => metricName(row.metric, row.k) },
      { name: "Over", cell: (row) => (row.scope === "all" ? "all notes" : "mean over specialties"), by: (row) => row.scope },
      column("Baseline", "baseline", (one) => number(one.value)), column("Interval", "baseline", (one) => interval(one.ci_low, one.ci_high)),
      column("Tuned", "tuned", (one) => number(one.value)), column("Interval", "tuned", (one) => interval(one.ci_low, one.ci_high)),
      column("Change", "difference", (one) => signed(one.value)), column("Interval", "difference", (one) => (isNumber(one.ci_low) ? `${signed(one.ci_low)} to ${signed(one.ci_high)}` : "")),
      column("Notes", "tuned", (one) => count(one.n)),
    ], cells, { label: "All figures", first: 60 });
    return [
      specified(app, "embedding_metrics", "before_and_after"),
      folded("All figures as a table", full),
    ];
  }

  const specialties = (app) => specified(app, "embedding_metrics", "change_by_specialty");

  const keyOf = ([metric, k]) => `${metric}${isNumber(k) ? `@${k}` : ""}`;

  function slices(app) {
    const { report } = app;
    const rows = report.table("slice_metrics");
    if (!rows?.length) return null;
    const names = [...new Set(rows.map((row) => row.slice))];
    const found = new Map(rows.map((row) => [JSON.stringify([row.slice, row.value_name, row.model, row.metric, row.k ?? null]), row]));
    const find = (slice, value, model, [metric, k]) => found.get(JSON.stringify([slice, value, model, metric, k]));
    const offered = HEADLINES.filter(([metric, k]) => rows.some((row) => row.metric === metric && (row.k ?? null) === k));
    const main = report.setting("verdict", "main_metric") ?? "precision@5";
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
    store.listen((_, changed) => {
      if (!changed.has("slice") && !changed.has("figure")) return;
      full.show(lines());
    });
    return [specified(app, "slice_metrics", "change_by_slice"), folded("By slice as a table", full), place];
  }

  page.section({ id: "metrics", title: "Metrics", after: "verdict", show: metrics });
  page.section({ id: "specialties", title: "By specialty", after: "metrics", show: specialties });
  page.section({ id: "slices", title: "By slice", after: "specialties", show: slices });
})((globalThis.medembedPage ??= {}));
