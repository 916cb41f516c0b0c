/** Several models side by side. */
(function (page) {
  "use strict";
  const { number } = page.base;
  const { figure, dumbbells, key } = page.charts;
  const { table, choice } = page.tables;
  const { HEADLINES, finder, asMark } = page.figures;

  /** Several models side by side. */
  function comparison(app) {
    const { report } = app;
    const given = report.payload.comparison;
    if (!given?.length) return null;
    const models = given.map(({ name, metrics: columns }) => ({ name, find: finder(page.data.rows(columns)) }));
    const known = HEADLINES.filter(([metric, k]) => models.some((model) => asMark(model.find("tuned", "all", metric, k))));
    if (!known.length) return null;
    let [chosen] = known.filter(([metric, k]) => metric === "precision" && k === 5).concat(known);
    const made = figure("Models side by side",
      "Every model on the same notes: blue circles, against the same baseline, the grey square; whiskers are intervals. Intervals that overlap widely do not tell two models apart.",
      (width) => dumbbells(width, models.map(({ name, find }) => {
        const [baseline, tuned, change] = ["baseline", "tuned", "difference"].map((model) => asMark(find(model, "all", chosen[0], chosen[1])));
        return { name, baseline, tuned, change };
      }).filter((row) => row.tuned), { label: "Models side by side" }),
      key(["baseline square", "baseline"], ["tuned", "this model"]));
    const id = ([metric, k]) => `${metric}|${k}`;
    return [
      choice("Figure", known.map((one) => [id(one), one[2]]), id(chosen), (picked) => {
        chosen = known.find((one) => id(one) === picked);
        made.redraw();
      }),
      made,
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
