/** What was released when, and what it gave: every judgement of every checkpoint, the newest first. */
(function (page) {
  "use strict";
  const { element, number, signed, count, isNumber, words, capital } = page.base;
  const { specified } = page.charts;
  const { table, folded } = page.tables;

  const SIGNS = { deploy: "✓", retrain: "✗", inconclusive: "?" };

  /** "2026-03-01T09:30:00Z" -> "2026-03-01 09:30" */
  const written = (time) => (time ? time.slice(0, 16).replace("T", " ") : "–");

  const moment = (time) => element("time", { datetime: time }, written(time));

  function history(app) {
    const { report } = app;
    const rows = report.table("checkpoint_history");
    if (!rows?.length) return null;
    const groups = new Map();
    for (const row of rows) {
      const key = `${row.checkpoint}|${row.judgement}`;
      if (!groups.has(key)) groups.set(key, { ...row, figures: [] });
      groups.get(key).figures.push(row);
    }
    const judgements = [...groups.values()].reverse();
    const tasks = [...new Set(rows.filter((row) => row.is_main).map((row) => row.task))];
    const main = (judgement, name) => judgement.figures.find((row) => row.is_main && row.task === name);
    const current = report.payload.made?.checkpoint?.version;
    const mark = (one) => `${SIGNS[one.verdict] ?? ""} ${one.verdict}`;
    const spelled = (row) => (row ? `${number(row.baseline)} → ${number(row.tuned)} (${signed(row.difference)})` : "–");
    const all = table([
      { name: "Judged (UTC)", cell: (one) => moment(one.judged_at), by: (one) => one.judged_at },
      {
        name: "Checkpoint", by: (one) => one.checkpoint,
        cell: (one) => element("span", {}, element("code", { title: one.checkpoint }, one.checkpoint.slice(0, 8)), one.checkpoint === current ? " (this page)" : ""),
      },
      { name: "Made", cell: (one) => moment(one.made_at), by: (one) => one.made_at },
      { name: "Verdict", cell: mark, by: (one) => one.verdict },
      { name: "Released since", cell: (one) => (one.released ? moment(one.released_at) : "not released"), by: (one) => one.released_at },
      ...tasks.map((name) => ({
        name: capital(words(name)), numeric: true, cell: (one) => spelled(main(one, name)), by: (one) => main(one, name)?.difference ?? null,
        about: "The main figure of the task: base model, checkpoint, and the change",
      })),
    ], judgements, { label: "All judgements", first: 20 });
    const full = table([
      { name: "Judged (UTC)", cell: (row) => moment(row.judged_at), by: (row) => row.judged_at },
      { name: "Checkpoint", cell: (row) => element("code", { title: row.checkpoint }, row.checkpoint.slice(0, 8)), by: (row) => row.checkpoint },
      { name: "Task", cell: (row) => words(row.task), by: (row) => row.task },
      { name: "Figure", cell: (row) => page.figures.metricName(row.metric, row.k), by: (row) => row.metric },
      { name: "Baseline", numeric: true, cell: (row) => number(row.baseline), by: (row) => row.baseline },
      { name: "Tuned", numeric: true, cell: (row) => number(row.tuned), by: (row) => row.tuned },
      { name: "Change", numeric: true, cell: (row) => signed(row.difference), by: (row) => row.difference },
      { name: "Interval", numeric: true, cell: (row) => (isNumber(row.ci_low) ? `${signed(row.ci_low)} to ${signed(row.ci_high)}` : "") },
      { name: "Notes or items", numeric: true, cell: (row) => count(row.n), by: (row) => row.n },
    ], [...rows].reverse(), { label: "All figures of all judgements", first: 20 });
    return [specified(app, "checkpoint_history", "gain_by_checkpoint"), all, folded("All figures of all judgements", full)];
  }

  page.section({ id: "history", title: "History: what was released, and what it gave", short: "History", after: "training", show: history });
})((globalThis.medembedPage ??= {}));
