/** Which specialty a note is of: the ladder, what is taken for what, whether the probabilities hold, and every wrong note. */
(function (page) {
  "use strict";
  const { element, number, signed, percent, count, isNumber, words, refill } = page.base;
  const { specified } = page.charts;
  const { table, noteButton } = page.tables;

  const REASONS = {
    empty_text: "no word", far_from_train_notes: "far from all train notes", unknown_words: "unknown words",
    set_too_large: "too many labels possible", nothing_learned: "nothing learned",
  };
  const METRICS = [["macro_f1", null, "Macro‑F1"], ["map", null, "mAP"], ["top", 1, "Top‑1"], ["top", 3, "Top‑3"],
    ["covered", null, "Sets hold"], ["set_size", null, "Labels a set"], ["calibration_error", null, "Calibration error"]];

  const spoken = (row, digits = 3) => (isNumber(row?.value)
    ? `${number(row.value, digits)}${isNumber(row.ci_low) ? ` (${number(row.ci_low, digits)} to ${number(row.ci_high, digits)})` : ""}` : "–");

  /** Figures over all notes of a kind (held-out ones: "all") by model, and by what they are compared with. */
  function overall(rows, kind = "all") {
    const found = new Map(rows.filter((row) => row.scope_kind === kind).map((row) => [`${row.model}|${row.over ?? ""}|${row.metric}|${row.k ?? ""}`, row]));
    return (model, metric, k = null, over = null) => found.get(`${model}|${over ?? ""}|${metric}|${k ?? ""}`);
  }

  function ladder(rows, fact, kind = "all", label = "The ladder on held-out notes") {
    const of = overall(rows, kind);
    const models = [...new Set(rows.filter((row) => row.scope_kind === kind && row.over === null).map((row) => row.model))];
    const shown = fact("shown") ?? {};
    return table([
      { name: "Classifier", cell: (model) => element(model === fact("served") ? "strong" : "span", {}, `${shown[model] ?? words(model)}${model === fact("served") ? ", served" : ""}`) },
      ...METRICS.map(([metric, k, name]) => ({
        name, numeric: true, by: (model) => of(model, metric, k)?.value ?? null,
        cell: (model) => element("span", { title: spoken(of(model, metric, k)) }, number(of(model, metric, k)?.value)),
      })),
      { name: "mAP over TF-IDF", numeric: true, by: (model) => of(model, "map", null, "tfidf")?.value ?? null,
        cell: (model) => { const row = of(model, "map", null, "tfidf"); return row ? `${signed(row.value)} (${signed(row.ci_low)} to ${signed(row.ci_high)})` : "–"; } },
    ], models, { label, first: 10 });
  }

  /** Rungs whose features saw no label, on all notes that did not choose what is served. */
  function crossFitted(rows, fact) {
    const found = fact("cross_fitted");
    if (!found) return [];
    return [element("h3", {}, "On cross-fitted notes"),
      element("p", { class: "reading" }, `Of rungs whose features never saw a label: ${count(found.scored)} notes, each judged by classifiers for which ` +
        "everything was learned and chosen without its group. These figures are of the procedure, not of the one classifier that is served, and tell more " +
        "finely whether one rung is better than another."),
      ladder(rows, fact, "cross_fitted", "The ladder on cross-fitted notes")];
  }

  /** What one threshold for all labels costs, as a slider. */
  function slider(fact) {
    const costs = fact("threshold_costs") ?? [];
    if (!costs.length) return null;
    const said = element("p", { class: "summary", "aria-live": "polite" });
    const show = (place) => {
      const row = costs[place];
      refill(said, element("strong", {}, `From ${percent(row.threshold)} on: `),
        `${percent(row.precision)} of the labels given are true, ${percent(row.recall)} of the true ones are given, `,
        `${number(row.labels, 2)} labels a note, ${percent(row.answered)} of the notes get any (F1 ${number(row.f1)}, macro ${number(row.macro_f1)}).`);
    };
    const start = costs.findIndex((row) => row.threshold >= 0.3);
    const range = element("input", {
      type: "range", id: "classifier-threshold", min: "0", max: String(costs.length - 1), step: "1", value: String(Math.max(0, start)),
      on: { input: (event) => show(Number(event.target.value)) },
    });
    show(Math.max(0, start));
    return element("div", {}, element("h3", {}, "What a threshold costs"),
      element("label", { for: "classifier-threshold" }, "Threshold for all labels "), range, said);
  }

  function byLabel(rows, served) {
    const cells = new Map();
    for (const row of rows) if (row.scope_kind === "label" && row.model === served) cells.set(`${row.scope}|${row.over ?? ""}|${row.metric}`, row);
    const names = [...new Set(rows.filter((row) => row.scope_kind === "label").map((row) => row.scope))];
    const of = (name, metric, over = "") => cells.get(`${name}|${over}|${metric}`);
    const column = (title, metric) => ({ name: title, numeric: true, cell: (name) => element("span", { title: spoken(of(name, metric)) }, number(of(name, metric)?.value)), by: (name) => of(name, metric)?.value ?? null });
    return table([
      { name: "Label", cell: (name) => name, by: (name) => name },
      column("F1", "f1"), column("Precision", "precision"), column("Recall", "recall"), column("Average precision", "average_precision"), column("Sets hold", "covered"),
      { name: "F1 over TF-IDF", numeric: true, by: (name) => of(name, "f1", "tfidf")?.value ?? null,
        cell: (name) => { const row = of(name, "f1", "tfidf"); return row ? `${signed(row.value, 2)}${isNumber(row.ci_low) ? ` (${signed(row.ci_low, 2)} to ${signed(row.ci_high, 2)})` : ""}` : "–"; } },
      { name: "Notes", numeric: true, cell: (name) => count(of(name, "f1")?.n), by: (name) => of(name, "f1")?.n ?? null },
    ], names, { label: "The classifier by label", first: 12 });
  }

  function wrong(app) {
    const rows = app.report.table("classification_errors");
    if (!rows?.length) return [];
    return [element("h3", {}, "Wrong notes, the surest first"), table([
      { name: "Note, and how it is filed", cell: (row) => noteButton(app, row.note_id), by: (row) => row.expected.join(", ") },
      { name: "Came", cell: (row) => row.came.join(", "), by: (row) => row.came.join(", ") },
      { name: "Confidence", numeric: true, cell: (row) => percent(row.confidence), by: (row) => row.confidence },
      { name: "Likeliest label", cell: (row) => (row.likeliest_is_true ? "right" : "wrong"), by: (row) => String(row.likeliest_is_true) },
      { name: "Set holds all", cell: (row) => (row.set_holds_all ? "yes" : "no"), by: (row) => String(row.set_holds_all) },
      { name: "Left to people", cell: (row) => (row.left_to_people ? REASONS[row.left_to_people] ?? row.left_to_people : "–"), by: (row) => row.left_to_people ?? "" },
      { name: "Label doubted", cell: (row) => (row.label_doubted === null ? "–" : row.label_doubted ? `yes${row.suggested ? `: ${row.suggested}` : ""}` : "no"), by: (row) => String(row.label_doubted) },
      { name: "Nearest train note", cell: (row) => (row.nearest.length ? noteButton(app, row.nearest[0]) : "–") },
    ], rows, { label: "Notes that the classifier got wrong", first: 12, open: (row) => app.open(row.note_id) })];
  }

  function classification(app) {
    const { report } = app;
    const rows = report.table("classification_metrics");
    const fact = (name) => report.fact("classification_metrics", name);
    if (!rows?.length) {
      const why = fact("why_empty");
      return why ? [element("p", { class: "reading" }, `There is no classifier: ${why}.`)] : null;
    }
    const of = overall(rows);
    const served = fact("served");
    const covered = of(served, "covered");
    const people = (fact("left_to_people") ?? []).map((one) => `${count(one.notes)} (${REASONS[one.reason] ?? one.reason})`);
    const rare = fact("labels_not_predicted") ?? [];
    const rules = report.table("classifier_verdict") ?? [];
    return [
      element("p", { class: "summary" }, element("strong", {}, report.fact("classifier_verdict", "sentence") ?? "")),
      element("p", { class: "reading" }, `${fact("why_served") ?? ""} Notes have sets of labels; a label is given from its threshold on, and the likeliest where none reaches it.`),
      ladder(rows, fact), ...crossFitted(rows, fact),
      element("p", { class: "reading" }, `The sets promise to hold ${percent(fact("promise"))} of the true labels, and hold ${percent(covered?.value, 1)}` +
        `${isNumber(covered?.ci_low) ? ` (${percent(covered.ci_low, 1)} to ${percent(covered.ci_high, 1)})` : ""} with ${number(of(served, "set_size")?.value, 2)} labels a note. ` +
        `On other divisions of the same notes: ${(fact("divisions") ?? []).map((one) => percent(one.coverage, 1)).join(", ") || "–"}. ` +
        `Left to people: ${people.join(", ") || "none"} of ${count(fact("held_out_notes"))}.` +
        (rare.length ? ` Not predicted, with too few train notes: ${rare.map((one) => `${one.label} (${one.train_notes})`).join(", ")}.` : "")),
      slider(fact), ...["held_out_ladder", "reliability", "confusion"].map((name) => specified(app, "classification_metrics", name)), byLabel(rows, served), ...wrong(app),
      rules.length ? table([
        { name: "Rule", cell: (row) => words(row.rule) },
        { name: "Holds", cell: (row) => (row.kind === "information" ? "does not apply" : row.passed === null ? "not judged" : row.passed ? "yes" : "no") },
        { name: "Reason", cell: (row) => row.reason },
      ], rules, { label: "The classifier's verdict", first: 10 }) : null,
    ];
  }

  page.section({ id: "classification", title: "Which specialty a note is of", after: "tasks", show: classification });
})((globalThis.medembedPage ??= {}));
