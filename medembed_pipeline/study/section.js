/** What was searched: the trials of every study, the best one beside the defaults, and what it cost in looks at the validation notes. */
(function (page) {
  "use strict";
  const { element, number, signed, count, isNumber, words, capital, plural } = page.base;
  const { specified } = page.charts;
  const { table } = page.tables;

  const SAID = { complete: "complete", pruned: "ended early", failed: "failed" };

  /** As short as a number can be said. */
  const short = (value) => (isNumber(value) ? String(Number(value.toPrecision(3))) : String(value));

  function one(app, name) {
    const { report } = app;
    const rows = report.table(name);
    const fact = (what) => report.fact(name, what);
    const space = fact("space") ?? [];
    const best = rows.find((row) => row.best);
    const moved = best && best.number !== 0;
    const parts = [
      element("p", { class: "summary" },
        element("strong", {}, !best ? "No trial can be taken" : moved ? `Trial ${best.number} scored best: ${number(best.score)}` : `The defaults scored best: ${number(best.score)}`),
        moved && isNumber(fact("gain_over_first")) ? `, ${signed(fact("gain_over_first"))} against the defaults.` : "."),
      element("p", { class: "reading" }, `${capital(fact("score") ?? "score")}. ${plural(rows.length, "trial")}: ${count(fact("complete"))} complete, ` +
        `${count(fact("pruned"))} ended early, ${count(fact("failed"))} failed. ${plural(fact("looks"), "model")} were scored on the validation notes: the best of so many looks ` +
        "better there than it is. Held-out notes were not looked at; whether it is better, they tell, in the verdict of a checkpoint that is trained with these settings."),
    ];
    if (fact("settings_block")) {
      parts.push(element("p", {}, "To take it over, put this into ", element("code", {}, "medembed.toml"), "; nothing does so by itself:"), element("pre", { class: "settings-block" }, fact("settings_block")));
    }
    parts.push(...["history", "slices", "importance"].map((one) => specified(app, name, one)));
    parts.push(table([
      { name: "Trial", numeric: true, cell: (row) => `${row.number}${row.best ? " (best)" : ""}`, by: (row) => row.number },
      { name: "Score", numeric: true, cell: (row) => (isNumber(row.score) ? number(row.score, 4) : SAID[row.state]), by: (row) => row.score },
      ...space.map((parameter) => ({ name: capital(words(parameter.name)), numeric: parameter.kind !== "choice", cell: (row) => short(row[parameter.name]), by: (row) => row[parameter.name] })),
      { name: "Does not keep", cell: (row) => row.broken.map(words).join(", ") || row.problem || "–" },
      { name: "Looks", numeric: true, cell: (row) => count(row.looks), by: (row) => row.looks, about: "Models that the trial scored on the validation notes" },
      { name: "Seconds", numeric: true, cell: (row) => number(row.seconds, 0), by: (row) => row.seconds },
    ], rows, { label: `Trials of ${words(name)}`, first: 12 }));
    return parts;
  }

  function studies(app) {
    const { report } = app;
    const names = Object.keys(report.payload.tables).filter((name) => name.endsWith("_study") && report.table(name)?.length);
    if (!names.length) return null;
    return names.flatMap((name) => [names.length > 1 ? element("h3", {}, capital(words(name))) : null, ...one(app, name)]);
  }

  page.section({ id: "study", title: "What was searched", short: "Study", after: "training", show: studies });
})((globalThis.medembedPage ??= {}));
