/** Several models side by side. */
(function (page) {
  "use strict";
  const { number } = page.base;
  const { specified } = page.charts;
  const { table } = page.tables;
  const { HEADLINES, finder, asMark } = page.figures;

  /** Several models side by side. */
  function comparison(app) {
    const { report } = app;
    const given = report.payload.comparison;
    if (!given?.length) return null;
    const models = given.map(({ name, metrics: columns }) => ({ name, find: finder(page.data.rows(columns)) }));
    const known = HEADLINES.filter(([metric, k]) => models.some((model) => asMark(model.find("tuned", "all", metric, k))));
    if (!known.length) return null;
    return [
      specified(app, "comparison", "models_side_by_side"),
      table([
        { name: "Model", cell: (row) => row.name, by: (row) => row.name },
        ...known.map(([metric, k, name]) => ({
          name, numeric: true, by: (row) => row.find("tuned", "all", metric, k)?.value ?? null,
          cell: (row) => number(row.find("tuned", "all", metric, k)?.value),
        })),
      ], models, { label: "Models side by side" }),
    ];
  }

  page.section({ id: "comparison", title: "Several models", after: "history", show: comparison });
})((globalThis.medembedPage ??= {}));
