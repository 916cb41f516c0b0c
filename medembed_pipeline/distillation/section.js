/** The static model: what looking tokens up is worth, beside the model that it imitates. */
(function (page) {
  "use strict";
  const { element, number, signed, count, words, capital, interval } = page.base;
  const { table, ranged } = page.tables;
  const { metricName } = page.figures;

  const TASKS = { notes: "Held-out notes find each other", first_stage: "The tuned model's ten nearest are handed on" };

  function distillation(app) {
    const rows = app.report.table("static_metrics");
    if (!rows?.length) return null;
    const found = new Map();
    for (const row of rows) {
      const key = `${row.task}|${row.metric}|${row.k ?? ""}`;
      if (!found.has(key)) found.set(key, { task: row.task, metric: row.metric, k: row.k });
      found.get(key)[row.model] = row;
    }
    const shown = [...found.values()].filter((one) => one.task !== "notes" || ["precision", "map"].includes(one.metric));
    const main = found.get("notes|precision|5")?.static_over_tuned;
    const metric = (one) => (one.metric === "recall" ? `Recall at ${one.k}` : metricName(one.metric, one.k));
    const value = (name, model) => ({ name, numeric: true, cell: (one) => number(one[model]?.value), by: (one) => one[model]?.value ?? null });
    return [
      element("p", { class: "reading" },
        "A vector for each token, whose mean imitates the tuned model's vector of each train note: no transformer, and the whole note is read. ",
        "It knows the words of your train notes and nothing else, so what the tasks lose is the price: for notes among notes, not for questions. ",
        element("code", {}, "medembed distill FOLDER"), " writes it as a model that sentence-transformers loads. Nothing is served from it."),
      main ? element("p", { class: "summary" }, element("strong", {}, `${signed(main.value)} of precision at 5 on held-out notes`), `, against the tuned model (${interval(main.ci_low, main.ci_high)}).`) : null,
      table([
        { name: "Task", cell: (one) => TASKS[one.task] ?? capital(words(one.task)), by: (one) => one.task },
        { name: "Metric", cell: metric, by: metric },
        value("Tuned", "tuned"), value("Static", "static"),
        { name: "Change", numeric: true, cell: (one) => ranged(one.static_over_tuned, signed), by: (one) => one.static_over_tuned?.value ?? null },
        { name: "Items", numeric: true, cell: (one) => count(one.static?.n), by: (one) => one.static?.n ?? null },
      ], shown, { label: "The static model", first: 20 }),
    ];
  }

  page.section({ id: "static", title: "A model without a transformer", short: "Static model", after: "tasks", show: distillation });
})((globalThis.medembedPage ??= {}));
