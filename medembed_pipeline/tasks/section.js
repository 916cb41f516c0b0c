/** What the model kept: tasks beyond specialties, each for itself, with word matching beside them. */
(function (page) {
  "use strict";
  const { element, number, signed, count, isNumber, words, capital, plural } = page.base;
  const { specified } = page.charts;
  const { table, ranged } = page.tables;

  const ASKED = {
    passages: "A passage of a held-out note, from beyond what the model reads of it, has to find its note among all held-out notes.",
    clinical_terms: "An ICD-10-CM inclusion term has to find the title of its code.",
    everyday_language: "A sentence has to lie nearer to one that means the same than to one that shares its words.",
    own: "A task of your own, from the lake's folder tasks/.",
  };
  const SAID = {
    kept: "A fall beyond what is tolerated is excluded.",
    lost: "It fell by more than is tolerated, and certainly fell.",
    unclear: "The interval holds both; more items would tell.",
  };
  const METRICS = { mrr: "MRR", ndcg: "nDCG", map: "MAP", accuracy: "accuracy", spearman: "Spearman correlation", precision: "precision" };

  const metricName = (row) => `${METRICS[row.metric] ?? words(row.metric)}${isNumber(row.k) ? ` at ${row.k}` : ""}`;

  function judgement(row) {
    if (!isNumber(row.ci_low)) return "unclear";
    if (row.ci_low >= -row.tolerance) return "kept";
    return row.value < -row.tolerance && row.ci_high < 0 ? "lost" : "unclear";
  }

  /** The rows of one metric of one task by model, tasks in their order. */
  function byTask(rows) {
    const found = new Map();
    for (const row of rows) {
      const name = `${row.family}|${row.task}|${row.metric}|${row.k ?? ""}`;
      if (!found.has(name)) found.set(name, {});
      found.get(name)[row.model] = row;
    }
    return [...found.values()].filter((one) => one.baseline && one.tuned && one.difference);
  }

  function tasks(app) {
    const { report } = app;
    const rows = report.table("task_metrics");
    const problems = (report.fact("task_metrics", "tasks") ?? []).filter((one) => one.problem);
    if (!rows?.length && !problems.length) return null;
    const all = byTask(rows ?? []);
    const main = all.filter((one) => one.difference.is_main);
    const of = (said) => main.filter((one) => judgement(one.difference) === said);
    const title = (one) => capital(words(one.difference.task));
    const parts = [
      element("p", { class: "summary" },
        element("strong", {}, `${count(of("kept").length)} of ${plural(main.length, "task")} kept`),
        of("lost").length ? `; lost: ${of("lost").map(title).join(", ")}` : "",
        of("unclear").length ? `; unclear: ${of("unclear").map(title).join(", ")}` : "", "."),
      element("p", { class: "reading" }, "Tuning on specialties may cost a model what it knew before. Each task is judged for itself by its main metric: " +
        "kept where the whole interval of the change lies above the tolerated fall."),
    ];
    if (main.length) {
      parts.push(specified(app, "task_metrics", "what_was_kept"), specified(app, "task_metrics", "before_and_after"), taskTable(all, title));
    }
    if (problems.length) {
      parts.push(element("h3", {}, "Not measured"), table([
        { name: "Task", cell: (one) => capital(words(one.name)) }, { name: "Why", cell: (one) => one.problem },
        { name: "Decides", cell: (one) => (one.decides ? "yes" : "no") },
      ], problems, { label: "Tasks that were not measured" }));
    }
    return parts;
  }

  function taskTable(all, title) {
    const value = (name, model) => ({
      name, numeric: true, cell: (one) => number(one[model]?.value), by: (one) => one[model]?.value ?? null,
    });
    return table([
      { name: "Task", cell: (one) => element("span", { title: ASKED[one.difference.family] ?? "" }, title(one)), by: (one) => one.difference.task },
      { name: "Metric", cell: (one) => `${metricName(one.difference)}${one.difference.is_main ? ", judged" : ""}`, by: (one) => metricName(one.difference) },
      value("Word matching", "lexical"), value("Before", "baseline"), value("After", "tuned"),
      { name: "Change", numeric: true, cell: (one) => ranged(one.difference, signed), by: (one) => one.difference.value },
      { name: "Tolerated", numeric: true, cell: (one) => (one.difference.is_main ? number(one.difference.tolerance, 2) : "–") },
      {
        name: "Judgement",
        cell: (one) => {
          if (!one.difference.is_main) return "–";
          const said = judgement(one.difference);
          return element("span", { title: SAID[said] }, `${said}${one.difference.decides ? "" : " (informs)"}`);
        },
      },
      { name: "Over word matching", numeric: true, cell: (one) => ranged(one.tuned_over_lexical, signed), by: (one) => one.tuned_over_lexical?.value ?? null },
      {
        name: "Items", numeric: true, by: (one) => one.difference.n,
        cell: (one) => element("span", { title: `in ${plural(one.difference.groups, "independent group")}` }, count(one.difference.n)),
      },
    ], [...all].sort((left, right) => Number(right.difference.is_main) - Number(left.difference.is_main)), { label: "What the model kept", first: 12 });
  }

  page.section({ id: "tasks", title: "What the model kept", after: "slices", show: tasks });
})((globalThis.medembedPage ??= {}));
