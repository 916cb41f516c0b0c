/** What was searched: the trials of every study, the best one beside the defaults, and what it cost in looks at the validation notes. */
(function (page) {
  "use strict";
  const { element, svg, number, signed, count, isNumber, words, capital, plural, percent } = page.base;
  const { figure, lines, key, scale, extent, picture, text, title } = page.charts;
  const { table, choice } = page.tables;

  const SAID = { complete: "complete", pruned: "ended early", failed: "failed" };

  /** The score, or the last one on the way. */
  const scoreOf = (row) => (isNumber(row.score) ? row.score : row.step_scores?.[row.step_scores.length - 1]);

  /** As short as a number can be said. */
  const short = (value) => (isNumber(value) ? String(Number(value.toPrecision(3))) : String(value));

  /** Scores by the values of one parameter; kinds: best, complete, the rest. */
  function slice(width, rows, parameter) {
    const [left, right, head, bottom] = [50, width - 14, 12, 190];
    const options = parameter.kind === "choice" ? parameter.options.split(", ") : null;
    const placed = (row) => (options ? options.indexOf(String(row[parameter.name]))
      : parameter.log ? Math.log10(row[parameter.name]) : row[parameter.name]);
    const ends = options ? [-0.5, options.length - 0.5]
      : [parameter.low, parameter.high].map((end) => (parameter.log ? Math.log10(end) : end));
    const x = scale(ends, [left + 6, right - 6]);
    const y = scale(extent(rows.map(scoreOf)), [bottom, head], 4);
    const ticks = options ? options.map((name, at) => [at, name])
      : [0, 0.5, 1].map((share) => { const at = ends[0] + share * (ends[1] - ends[0]); return [at, short(parameter.log ? 10 ** at : at)]; });
    const parts = [
      ...ticks.map(([at, name]) => text(x(at), bottom + 16, name, { "text-anchor": "middle", class: "tick" })),
      ...y.ticks.flatMap((value) => [
        svg("line", { x1: left, y1: y(value), x2: right, y2: y(value), class: "grid" }),
        text(left - 6, y(value) + 4, number(value, y.digits), { "text-anchor": "end", class: "tick" }),
      ]),
      ...rows.map((row) => svg("circle", { cx: x(placed(row)), cy: y(scoreOf(row)), r: row.best ? 6 : 4, class: `dot ${row.best ? "baseline" : row.state === "complete" ? "tuned" : "third"}` },
        title(`Trial ${row.number}, ${SAID[row.state]}: ${words(parameter.name)} ${short(row[parameter.name])}, score ${number(scoreOf(row), 4)}`))),
    ];
    return picture(width, 214, `Score by ${words(parameter.name)}`, ...parts);
  }

  function importance(width, shares) {
    const room = Math.min(0.45 * width, 16 + page.charts.widest(shares.map((one) => words(one.parameter))));
    const x = scale([0, Math.max(...shares.map((one) => one.importance), 1e-9)], [room, width - 52]);
    return picture(width, 8 + 26 * shares.length, "What matters", ...shares.flatMap((one, at) => [
      text(room - 8, 22 + 26 * at, words(one.parameter), { "text-anchor": "end", class: "name" }),
      svg("rect", { x: room, y: 10 + 26 * at, width: Math.max(1, x(one.importance) - room), height: 16, class: "area tuned" },
        title(`${words(one.parameter)}: ${percent(one.importance)}`)),
      text(x(one.importance) + 6, 22 + 26 * at, percent(one.importance), { class: "tick" }),
    ]));
  }

  function one(report, name) {
    const rows = report.table(name);
    const fact = (what) => report.fact(name, what);
    const space = fact("space") ?? [];
    const scored = rows.filter((row) => row.state !== "failed" && isNumber(scoreOf(row)));
    const best = rows.find((row) => row.best);
    const moved = best && best.number !== 0;
    let high = -Infinity;
    const soFar = rows.flatMap((row) => {
      if (row.state === "complete" && row.allowed) high = Math.max(high, row.score);
      return Number.isFinite(high) ? [[row.number, high]] : [];
    });
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
    if (scored.length) {
      const trace = (kind, label, points) => ({ kind, name: label, points });
      parts.push(figure("The course of the search", "Each trial's score; of one that was ended early the last on the way. Good: the line rises, then levels off. Trial 0 has the defaults.",
        (width) => lines(width, [trace("third", "ended early", scored.filter((row) => row.state === "pruned").map((row) => [row.number, scoreOf(row)])),
          trace("tuned", "complete", scored.filter((row) => row.state === "complete").map((row) => [row.number, row.score])),
          trace("baseline", "best so far", soFar)], { label: "The course of the search", axis: "trial" }),
        key(["tuned line", "complete"], ["third line", "ended early"], ["baseline line", "best so far"])));
      let shown = space[0];
      const made = figure("The score by each value", "A point is a trial. Good: the best one does not lie at an end of what was tried.", (width) => slice(width, scored, shown));
      parts.push(choice("Parameter", space.map((parameter) => [parameter, capital(words(parameter.name))]), shown, (parameter) => { shown = parameter; made.redraw(); }), made);
    }
    const shares = fact("importances") ?? [];
    if (shares.length) {
      parts.push(figure("What matters", "Of the score's variance that parameters explain by themselves, the share of each (fANOVA). With few trials it is a hint.", (width) => importance(width, shares)));
    }
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
    return names.flatMap((name) => [names.length > 1 ? element("h3", {}, capital(words(name))) : null, ...one(report, name)]);
  }

  page.section({ id: "study", title: "What was searched", short: "Study", after: "training", show: studies });
})((globalThis.medembedPage ??= {}));
