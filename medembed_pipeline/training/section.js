/** The course of the training: losses, scores and maps by epoch, and what averaging with the base model gives and costs. */
(function (page) {
  "use strict";
  const { element, number, isNumber } = page.base;
  const { specified } = page.charts;
  const { table } = page.tables;

  function training(app) {
    const charts = ["loss", "validation", "passages", "held_out_by_epoch", "shape_by_epoch"].map((name) => specified(app, "finetuned_checkpoint", name)).filter(Boolean);
    const maps = specified(app, "similarity_evidence", "maps_by_epoch");
    if (!charts.length && !maps) return null;
    return [element("div", { class: "pair" }, charts), ...tradeOff(app), maps];
  }

  /** What each share of the tuned weights gives and costs, on the validation notes. */
  function tradeOff(app) {
    const { report } = app;
    const rows = report.payload.trade_off ?? [];
    const taken = rows.find((row) => row.taken);
    if (!taken) return [];
    const share = (row) => `${Math.round(100 * row.share)}%`;
    const recorded = (column) => rows.some((row) => isNumber(row[column]));
    // Without labels there is no figure of specialties, and the passages choose.
    const main = recorded("validation_map") ? "main metric" : "passages, MRR";
    const cell = (column, digits = 3) => ({ numeric: true, cell: (row) => (isNumber(row[column]) ? number(row[column], digits) : "–"), by: (row) => row[column] });
    return [
      element("h3", {}, "What tuning gives, and what it costs"),
      element("p", { class: "reading" }, `The tuned weights are averaged with the base model's: ${share(taken)} of the tuned model was taken. It is the smallest share that is ` +
        `about as good (${main}) on the validation notes as any that keeps what the base model knew of them. No task of the verdict takes part in the choice.`),
      element("div", { class: "pair" },
        specified(app, "finetuned_checkpoint", "gained_by_share"), specified(app, "finetuned_checkpoint", "kept_by_share")),
      table([
        { name: "Share", cell: (row) => `${share(row)}${row.taken ? " (taken)" : ""}`, by: (row) => row.share },
        { name: page.base.capital(main), ...cell("validation_score") }, ...(recorded("validation_map") ? [{ name: "MAP", ...cell("validation_map") }] : []),
        { name: "Passages, MRR", ...cell("validation_passage_mrr") }, { name: "Similarities", ...cell("validation_similarities_kept") },
        { name: "Rank kept", ...cell("validation_rank_kept", 2) }, { name: "What is not kept", cell: (row) => row.broken || "–" },
      ], rows, { label: "Validation figures by share" }),
    ];
  }

  page.section({ id: "training", title: "Training", after: "health", show: training });
})((globalThis.medembedPage ??= {}));
