/** The course of the training: losses, scores and maps by epoch, and what averaging with the base model gives and costs. */
(function (page) {
  "use strict";
  const { element, number, isNumber, words } = page.base;
  const { figure, lines, scatter, extent, key } = page.charts;
  const { table } = page.tables;
  const { evidence } = page.figures;

  /** The held-out notes on one map, after each epoch that was kept. */
  function epochMaps(app) {
    const { report } = app;
    const rows = evidence(report, "progress_map");
    if (!rows.length) return [];
    const { entries, of } = page.schemes.scheme(report, "specialty", "tuned", null);
    const places = new Map();
    for (const row of rows) {
      // The table names notes by id; a page made later may name them by position.
      const at = report.position.get(row.group) ?? Number(row.group);
      const name = `${row.position}|${at}`;
      if (!places.has(name)) places.set(name, { at, epoch: row.position, look: entries[of(at)], words: `${report.label(at)}, ${report.shortId(at)}` });
      places.get(name)[row.statistic] = row.value;
    }
    const points = [...places.values()];
    const domains = ["x", "y"].map((axis) => extent(points.map((point) => point[axis])));
    const epochs = [...new Set(points.map((point) => point.epoch))].sort((left, right) => left - right);
    return [
      element("h3", {}, "The map at each epoch"),
      element("p", { class: "reading" }, "The held-out notes in one common map, before training and after each kept epoch, coloured by specialty as in the map above. " +
        "Good: colours draw together and stay apart from one another. Bad: everything draws together."),
      element("div", { class: "epochs" }, epochs.map((epoch) => figure(epoch === 0 ? "Before training" : `After epoch ${epoch}`, "",
        (width) => scatter(width, points.filter((point) => point.epoch === epoch), domains, { label: `Map at epoch ${epoch}` })))),
    ];
  }

  function training(app) {
    const { report } = app;
    const progress = evidence(report, "progress");
    const history = report.payload.history ?? [];
    const series = new Map();
    for (const row of progress) {
      if (!series.has(row.group)) series.set(row.group, []);
      series.get(row.group).push([row.position, row.value]);
    }
    for (const row of history) {
      for (const [name, value] of Object.entries(row)) {
        if (name === "epoch" || name === "steps" || !isNumber(value) || progress.some((one) => one.group === name)) continue;
        if (!series.has(name)) series.set(name, []);
        series.get(name).push([row.epoch, value]);
      }
    }
    for (const points of series.values()) points.sort((left, right) => left[0] - right[0]);
    if (!series.size && !evidence(report, "progress_map").length) return null;
    const charts = [];
    const take = (names) => names.filter((name) => series.get(name)?.some(([, value]) => isNumber(value)));
    const chart = (title, reading, names, options = {}) => {
      const found = take(names);
      if (!found.length) return;
      const kinds = ["tuned", "baseline", "third", "fourth"];
      const traces = found.map((name, at) => ({ name: words(name), kind: kinds[at], points: series.get(name) }));
      charts.push(figure(title, reading, (width) => lines(width, traces, { label: title, ...options }),
        key(...traces.map(({ kind, name }) => [`${kind} line`, name]))));
    };
    chart("Loss", "Good: both fall. Bad: the validation loss turns up while the training loss goes on falling: the model learns its notes by heart.", ["train_loss", "validation_loss"]);
    chart("Validation notes", "Retrieval on validation notes, which the model is not trained on. The kept epoch is the best one here by the main metric of the verdict.", ["validation_precision_at_5", "validation_map", "validation_triplet_accuracy"]);
    chart("Passages of validation notes", "How well a passage finds the note it comes from (MRR), which needs no labels. A training without labels chooses its epoch by it.", ["validation_passage_mrr"]);
    chart("Held-out notes by epoch", "The metrics of each kept epoch; epoch 0 is the model before training. Good: they rise and level off.", ["precision@1", "precision@5", "precision@10", "map"]);
    chart("Shape of the space by epoch", "Silhouette and separation of the specialties; they should rise together with retrieval.", ["silhouette", "separation", "margin"]);
    return [element("div", { class: "pair" }, charts), ...tradeOff(report), ...epochMaps(app)];
  }

  /** What each share of the tuned weights gives and costs, on the validation notes. */
  function tradeOff(report) {
    const rows = report.payload.trade_off ?? [];
    const taken = rows.find((row) => row.taken);
    if (!taken) return [];
    const share = (row) => `${Math.round(100 * row.share)}%`;
    const recorded = (column) => rows.some((row) => isNumber(row[column]));
    // Without labels there is no figure of specialties, and the passages choose.
    const main = recorded("validation_map") ? "main metric" : "passages, MRR";
    const drawn = (name, reading, all) => {
      const kinds = all.filter(([column]) => recorded(column));
      return figure(name, reading, (width) => lines(width, kinds.map(([column, kind, label]) => ({
        name: label, kind, points: rows.filter((row) => isNumber(row[column])).map((row) => [100 * row.share, row[column]]),
      })), { label: name, axis: "percent of the tuned model" }), key(...kinds.map(([, kind, label]) => [`${kind} line`, label])));
    };
    const cell = (column, digits = 3) => ({ numeric: true, cell: (row) => (isNumber(row[column]) ? number(row[column], digits) : "–"), by: (row) => row[column] });
    return [
      element("h3", {}, "What tuning gives, and what it costs"),
      element("p", { class: "reading" }, `The tuned weights are averaged with the base model's: ${share(taken)} of the tuned model was taken. It is the share with the best figure (${main}) ` +
        "on the validation notes, among those that keep what the base model knew of them. No task of the verdict takes part in the choice."),
      element("div", { class: "pair" },
        drawn("Gained", "What the training is judged by, on validation notes.", [["validation_score", "tuned", main], ["validation_map", "baseline", "MAP"]]),
        drawn("Kept", "Good: they stay high as the share grows.", [["validation_passage_mrr", "tuned", "a passage finds its note (MRR)"],
          ["validation_similarities_kept", "baseline", "similarities of phrases (correlation)"], ["validation_rank_kept", "third", "effective rank (share)"]])),
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
