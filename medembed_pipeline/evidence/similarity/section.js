/** Distributions and heatmaps of similarity, and example searches. */
(function (page) {
  "use strict";
  const { element, number, isNumber } = page.base;
  const { specified } = page.charts;
  const { table } = page.tables;
  const { evidence } = page.figures;

  const MODELS = [["baseline", "Before"], ["tuned", "After"]];

  function distributions(app) {
    const { report } = app;
    const counts = evidence(report, "histogram");
    const spread = evidence(report, "spread");
    if (!counts.length && !spread.length) return null;
    const statistic = (model, group, name) => spread.find((row) => row.model === model && row.group === group && row.statistic === name)?.value;
    const parts = [pair(app, "similarity"), specified(app, "similarity_evidence", "boxes")];
    const summary = [["margin", "Margin (mean of positive minus mean of negative pairs)"], ["separation", "Separation (margin in pooled standard deviations)"]]
      .map(([group, name]) => ({ name, before: statistic("baseline", group, "value"), after: statistic("tuned", group, "value") }))
      .filter((row) => isNumber(row.before) || isNumber(row.after));
    if (summary.length) {
      parts.push(table([
        { name: "Figure", cell: (row) => row.name }, { name: "Before", numeric: true, cell: (row) => number(row.before) },
        { name: "After", numeric: true, cell: (row) => number(row.after) }, { name: "Change", numeric: true, cell: (row) => page.base.signed(row.after - row.before) },
      ], summary, { label: "Margin and separation" }),
      element("p", { class: "reading" }, "Larger is better. Published fine-tunings ask for a margin over 0.25 and a separation over 2; a lower one with good retrieval is no fault."));
    }
    return parts;
  }

  /** Before and after side by side. */
  const pair = (app, name) => element("div", { class: "pair" }, ["before", "after"].map((when) => specified(app, "similarity_evidence", `${name}_${when}`)));

  function heatmaps(app) {
    const found = ["specialties", "documents"].filter((name) => app.report.payload.figures?.similarity_evidence?.[`${name}_after`]);
    return found.length ? found.map((name) => pair(app, name)) : null;
  }

  function examples(app) {
    const { report } = app;
    const rows = evidence(report, "neighbors");
    if (!rows.length) return null;
    const queries = [...new Set(rows.map((row) => row.group))];
    const of = (model, query) => rows.filter((row) => row.model === model && row.group === query).sort((left, right) => left.position - right.position);
    const strip = (model, query) => element("ol", { class: "strip" }, of(model, query).map((row) => element("li", {},
      element("button", {
        type: "button", class: row.relevant ? "right" : "wrong", "data-note": row.other, on: { click: () => app.open(Number(row.other)) },
        title: `${report.label(Number(row.other))}, similarity ${number(row.value, 2)}`,
        "aria-label": `${row.position}: ${report.label(Number(row.other))}, ${row.relevant ? "relevant" : "not relevant"}, similarity ${number(row.value, 2)}`,
      }, row.relevant ? "✓" : "✗", element("span", {}, number(row.value, 2))))));
    return [
      element("p", { class: "reading" }, "Searches chosen by chance, each with its ten nearest held-out notes, the nearest at the left: ✓ shares a specialty with the note that searches, ✗ does not. " +
        "Good: more ✓ in the row “after”. Every box opens its note."),
      element("div", { class: "examples" }, queries.map((query) => element("article", {},
        page.tables.noteButton(app, Number(query)),
        ...MODELS.map(([model, name]) => element("div", { class: "row" }, element("span", { class: "name" }, name.toLowerCase()), strip(model, query)))))),
    ];
  }

  page.section({ id: "distributions", title: "Distributions", after: "confusions", show: distributions });
  page.section({ id: "heatmaps", title: "Heatmaps", after: "distributions", show: heatmaps });
  page.section({ id: "examples", title: "Example searches", after: "heatmaps", show: examples });
})((globalThis.medembedPage ??= {}));
