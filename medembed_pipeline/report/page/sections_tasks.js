/** What the model kept: every task by its change against what is tolerated, and the levels behind it. */
(function (page) {
  "use strict";
  const { element, svg, number, signed, count, percent, isNumber, interval, words, capital, plural } = page.base;
  const { figure, key, scale, extent, picture, title, text, widthOf, fitted, widest } = page.charts;
  const { table, folded } = page.tables;

  /** Families in their order: heading, and what their tasks ask. */
  const FAMILIES = {
    passages: ["Passages of held-out notes", "A passage of a note, from beyond what the model reads of it, has to find its note."],
    clinical_terms: ["Clinical terms", "Another name of a diagnosis has to find the title of its ICD-10-CM code."],
    everyday_language: ["Everyday language", "A sentence has to be nearer to one that means the same than to one that does not."],
    own: ["Your own tasks", "From data_lake/tasks."],
  };
  const familyOf = (name) => FAMILIES[name] ?? [capital(words(name)), ""];

  /** State: what it is called, the class of its colour, its shape. Colour is never alone. */
  const STATES = {
    broken: ["broken", "worse", "down"], not_judged: ["not judged", "unclear", "square"], kept: ["kept", "better", "circle"],
    informs: ["informs only", "informs", "ring"],
  };

  /** As the verdict's rules say it. */
  function stateOf(task) {
    if (!task.decides) return "informs";
    if (task.problem) return "not_judged";
    if (isNumber(task.ci_low) && task.ci_low >= -task.tolerance - 1e-9) return "kept";
    return isNumber(task.ci_high) && task.ci_high < 0 && task.difference < -task.tolerance ? "broken" : "not_judged";
  }

  const LEVELS = [["lexical", "word matching", "diamond"], ["baseline", "baseline", "square"], ["tuned", "tuned", "circle"]];
  const range = (row) => (isNumber(row?.low) && isNumber(row?.high) ? ` (${number(row.low)} to ${number(row.high)})` : "");

  /** Cut in its middle where it is too long: names of one kind often differ in their last word. */
  function bothEnds(name, room) {
    for (let kept = name.length - 1; kept > 2; kept -= 1) {
      const cut = kept === name.length - 1 ? name : `${name.slice(0, Math.ceil(0.55 * kept)).trimEnd()}…${name.slice(-Math.floor(0.45 * kept)).trimStart()}`;
      if (widthOf(cut) <= room) return cut;
    }
    return fitted(name, room);
  }

  /** A shape with its whisker, and the words for it. */
  function sign(x, y, row, kind, shape, size, spoken) {
    const group = svg("g", { class: kind }, title(spoken));
    if (isNumber(row.low) && isNumber(row.high)) group.append(svg("line", { x1: x(row.low), y1: y, x2: x(row.high), y2: y, class: "whisker" }));
    group.append(svg("path", { d: page.palette.outline(shape, x(row.value), y, size), class: "point" }));
    return group;
  }

  /** @returns {Array<{heading?: string, task?: any}>} lines from top to bottom, family by family */
  function linesOf(tasks) {
    const known = Object.keys(FAMILIES);
    const place = (name) => (known.includes(name) ? known.indexOf(name) : known.length);
    const families = [...new Set(tasks.map((task) => task.family))].sort((left, right) => place(left) - place(right) || left.localeCompare(right, "en"));
    return families.flatMap((family) => [{ heading: familyOf(family)[0] }, ...tasks.filter((task) => task.family === family).map((task) => ({ task }))]);
  }

  function grid(x, top, bottom, format) {
    return x.ticks.flatMap((value) => [
      svg("line", { x1: x(value), y1: top, x2: x(value), y2: bottom, class: value === 0 ? "zero" : "grid" }),
      text(x(value), bottom + 16, format(value), { "text-anchor": "middle", class: "tick" }),
    ]);
  }

  /** Left the change of each task against its tolerance, right the levels; on a phone the levels stand below, in words. */
  function keptChart(width, tasks, { label }) {
    const narrow = width < 640;
    const lines = linesOf(tasks);
    const measured = tasks.filter((task) => !task.problem);
    const names = tasks.map((task) => task.title);
    const said = tasks.map((task) => (task.problem ? "not measured" : `${signed(task.difference)} ${STATES[stateOf(task)][0]}`));
    const saidRoom = widest(said, 12.5, 600) + 10;
    const left = narrow ? 8 : Math.min(0.3 * width, 16 + widest(names));
    const both = narrow ? width - 10 : width - saidRoom - 44;
    const middle = narrow ? both : left + 0.54 * (both - left);
    const [rowHeight, headHeight] = narrow ? [70, 30] : [40, 32];
    const bottom = (narrow ? 6 : 18) + lines.reduce((sum, one) => sum + (one.heading ? headHeight : rowHeight), 0);
    const ends = measured.flatMap((task) => [task.difference, task.ci_low, task.ci_high, -task.tolerance]);
    const x = scale(extent([...ends, -0.02, 0.02], { zero: true }), [left + 8, middle - 8], narrow ? 4 : 5);
    const levels = measured.flatMap((task) => LEVELS.flatMap(([model]) => [task.levels[model]?.value, task.levels[model]?.low])).filter(isNumber);
    const from = middle + saidRoom + 16;
    const z = scale([Math.min(0, ...levels), 1], [from, width - 22], 4);
    const parts = grid(x, 4, bottom, (value) => signed(value, x.digits));
    if (!narrow) parts.push(...grid(z, 4, bottom, (value) => number(value, z.digits)));
    if (!narrow) {
      parts.push(text(left + 8, 16, "tuned minus baseline", { class: "tick name" }), text(from, 16, "level", { class: "tick name" }));
    }
    let top = narrow ? 6 : 18;
    for (const { heading, task } of lines) {
      if (heading) {
        parts.push(text(narrow ? left : 4, top + 21, heading, { class: "name heading" }));
        top += headHeight;
        continue;
      }
      const y = top + (narrow ? 34 : rowHeight / 2);
      const state = stateOf(task);
      const [, kind, shape] = STATES[state];
      const spelled = said[tasks.indexOf(task)];
      const beside = narrow ? top + 14 : y + 4;
      parts.push(text(narrow ? left : left - 6, beside, bothEnds(task.title, narrow ? width - saidRoom - 16 : left - 12), { "text-anchor": narrow ? "start" : "end", class: "name" }));
      parts.push(text(narrow ? width - 4 : middle + 4, beside, spelled, { "text-anchor": narrow ? "end" : "start", class: `change ${kind}` }));
      if (task.problem) {
        if (narrow) parts.push(text(left, y + 4, "see below", { class: "tick" }));
      } else {
        parts.push(svg("g", {}, title(`${task.title}: a fall of up to ${number(task.tolerance)} is tolerated`),
          svg("rect", { x: x(-task.tolerance), y: y - 12, width: Math.max(0, x(0) - x(-task.tolerance)), height: 24, class: "tolerated" }),
          svg("line", { x1: x(-task.tolerance), y1: y - 12, x2: x(-task.tolerance), y2: y + 12, class: "limit" })));
        parts.push(sign(x, y, { value: task.difference, low: task.ci_low, high: task.ci_high }, kind, shape, shape === "circle" || shape === "ring" ? 5 : 6.5,
          `${task.title}: ${task.metric} changed by ${signed(task.difference)}${isNumber(task.ci_low) ? ` (${signed(task.ci_low)} to ${signed(task.ci_high)})` : ""} on ${plural(task.n, "item")}; ${number(task.tolerance)} is tolerated: ${STATES[state][0]}`));
        const known = LEVELS.filter(([model]) => isNumber(task.levels[model]?.value));
        if (narrow) {
          const short = `${task.metric} ${number(task.baseline, 2)} → ${number(task.tuned, 2)}, word matching ${number(task.lexical, 2)}`;
          parts.push(text(left, y + 28, fitted(short, width - 16, 11.5), { class: "tick name" }));
        } else {
          if (isNumber(task.baseline) && isNumber(task.tuned)) parts.push(svg("line", { x1: z(task.baseline), y1: y, x2: z(task.tuned), y2: y, class: "between" }));
          known.forEach(([model, name, form]) => {
            const row = task.levels[model];
            const shift = { lexical: 10, baseline: 0, tuned: -10 }[model];
            parts.push(sign(z, y + shift, row, model, form, 5, `${task.title}, ${name}: ${task.metric} ${number(row.value)}${range(row)}`));
          });
        }
      }
      top += rowHeight;
    }
    return picture(width, bottom + 24, label, ...parts);
  }

  /** A key with its name before it. */
  function titled(name, made, kind = "") {
    made.prepend(element("strong", {}, name));
    if (kind) made.classList.add(kind);
    return made;
  }

  /** The records of the facts with the levels of the table. */
  function tasksOf(report) {
    const rows = (report.table("task_metrics") ?? []).filter((row) => row.is_main);
    return (report.fact("task_metrics", "tasks") ?? []).map((task) => ({
      ...task, title: capital(words(task.name)),
      levels: Object.fromEntries(rows.filter((row) => row.task === task.name).map((row) => [row.model, { value: row.value, low: row.ci_low, high: row.ci_high }])),
    }));
  }

  const METRICS = { accuracy: "accuracy", spearman: "Spearman" };
  const metricName = (metric, k) => METRICS[metric] ?? page.sections.metricName(metric, k);

  function tasks(app) {
    const { report } = app;
    const all = tasksOf(report);
    if (!all.length) return null;
    const deciding = all.filter((task) => task.decides);
    const of = (state) => all.filter((task) => stateOf(task) === state).length;
    const said = [["broken", "broken"], ["not_judged", "not judged"], ["kept", "kept"]].filter(([state]) => of(state))
      .map(([state, name]) => element("strong", { class: STATES[state][1] }, `${count(of(state))} ${name}`));
    const summary = element("p", { class: "summary" }, deciding.length ? `Of ${plural(deciding.length, "task")} that ${deciding.length === 1 ? "decides" : "decide"}: ` : "No task decides",
      said.flatMap((one, at) => (at ? [", ", one] : [one])), ".",
      of("informs") ? ` ${plural(of("informs"), "task informs", "tasks inform")} only.` : "");
    const problems = all.filter((task) => task.problem);
    const asked = [...new Set(all.map((task) => task.family))].map(familyOf).filter(([, what]) => what);
    const confidence = report.setting("tasks", "confidence") ?? 0.95;
    const rows = (report.table("task_metrics") ?? []).filter((row) => row.model === "tuned");
    const found = new Map((report.table("task_metrics") ?? []).map((row) => [`${row.task}|${row.metric}|${row.k ?? ""}|${row.model}`, row]));
    const cell = (row, model) => found.get(`${row.task}|${row.metric}|${row.k ?? ""}|${model}`);
    const named = new Map(all.map((task) => [task.name, task]));
    const column = (name, model, form = number) => ({
      name, numeric: true, by: (row) => cell(row, model)?.value ?? null, cell: (row) => form(cell(row, model)?.value),
    });
    const ends = (model) => ({
      name: "Interval", numeric: true,
      cell: (row) => { const one = cell(row, model); return isNumber(one?.ci_low) ? `${signed(one.ci_low)} to ${signed(one.ci_high)}` : "–"; },
    });
    const level = (model) => ({
      name: "Interval", numeric: true, cell: (row) => { const one = cell(row, model); return interval(one?.ci_low, one?.ci_high) || "–"; },
    });
    const full = table([
      { name: "Task", cell: (row) => capital(words(row.task)), by: (row) => row.task },
      { name: "Figure", cell: (row) => element(row.is_main ? "strong" : "span", {}, metricName(row.metric, row.k)), by: (row) => metricName(row.metric, row.k) },
      { name: "Judged", cell: (row) => (row.is_main && named.has(row.task) ? STATES[stateOf(named.get(row.task))][0] : ""), by: (row) => (row.is_main && named.has(row.task) ? stateOf(named.get(row.task)) : null) },
      column("Change", "difference", signed), ends("difference"),
      { name: "Tolerated", numeric: true, cell: (row) => (row.is_main ? number(named.get(row.task)?.tolerance) : ""), by: (row) => (row.is_main ? named.get(row.task)?.tolerance ?? null : null) },
      column("Baseline", "baseline"), level("baseline"), column("Tuned", "tuned"), level("tuned"),
      column("Word matching", "lexical"), column("Tuned over word matching", "tuned_over_lexical", signed), ends("tuned_over_lexical"),
      { name: "Items", numeric: true, cell: (row) => count(row.n), by: (row) => row.n },
      { name: "Groups", numeric: true, cell: (row) => count(row.groups), by: (row) => row.groups, about: "Independent groups behind the figure" },
    ], rows, { label: "All figures of the tasks", first: 60, empty: "No task could be measured." });
    return [
      summary,
      figure("Change by task, against what is tolerated",
        `One row per task, by its main figure. The point is tuned minus baseline, the whisker its ${percent(confidence)} interval (jackknife over groups). The upright line is the fall ` +
        "that is tolerated. Kept: the whole interval lies right of that line. Broken: it fell by more, and not by chance. Not judged: too few items to tell. " +
        "Beside it the levels: word matching (TF-IDF) shows what needs no model at all.",
        (width) => keptChart(width, all, { label: "Change by task" }),
        titled("Change", key(...Object.entries(STATES).filter(([state]) => of(state)).map(([, [name, kind, shape]]) => [`${kind} ${shape}`, name]))),
        titled("Level", key(["baseline square", "baseline"], ["tuned", "tuned"], ["lexical diamond", "word matching"]), "levels")),
      ...(problems.length ? [element("ul", { class: "warning" }, problems.map((task) => element("li", {}, element("strong", {}, task.title), ` was not measured: ${task.problem}`)))] : []),
      folded("What each task asks", element("dl", { class: "facts" }, asked.flatMap(([name, what]) => [element("dt", {}, name), element("dd", {}, what)])),
        element("p", { class: "reading" }, "Only the change means something. The level depends on how hard the items are; that of the everyday sentences was chosen knowing how the base model does.")),
      folded("All figures as a table", full),
    ];
  }

  page.sections = { ...page.sections, tasks, taskState: stateOf };
})((globalThis.medembedPage ??= {}));
