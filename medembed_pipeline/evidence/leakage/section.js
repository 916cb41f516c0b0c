/** What a leaking split would have shown. */
(function (page) {
  "use strict";
  const { signed, percent, isNumber } = page.base;
  const { figure, dumbbells, key } = page.charts;
  const { table, choice } = page.tables;
  const { metricTitle } = page.figures;

  const PROTOCOLS = [
    ["by_patient", "Patients kept apart"], ["by_group", "Near-duplicates kept apart"], ["by_text", "Split by text"], ["by_row", "Split by row"],
    ["all_notes", "All notes"], ["training_notes", "Training notes"],
  ];

  function leak(app) {
    const { report } = app;
    const rows = report.table("leak_meter");
    if (!rows?.length) return null;
    const metrics = [...new Map(rows.map((row) => [`${row.metric}|${row.k ?? ""}`, row])).entries()]
      .filter(([, row]) => ["precision", "map", "silhouette", "mrr", "ndcg"].includes(row.metric));
    if (!metrics.length) return null;
    let chosen = metrics.find(([pair]) => pair === "precision|5")?.[0] ?? metrics[0][0];
    const find = (protocol, model) => rows.find((row) => row.protocol === protocol && row.model === model && `${row.metric}|${row.k ?? ""}` === chosen);
    const mark = (row) => (row && isNumber(row.value) ? { value: row.value, low: row.ci_low, high: row.ci_high } : undefined);
    const known = PROTOCOLS.filter(([protocol]) => rows.some((row) => row.protocol === protocol));
    const made = figure("The same model under other splits",
      "How large the gain would look if the model were scored the way a leaking split scores. The top row is true. A longer bar further down is memory, not skill. " +
      "Good: all bars alike.",
      (width) => dumbbells(width, known.map(([protocol, name]) => ({
        name, baseline: mark(find(protocol, "baseline")), tuned: mark(find(protocol, "tuned")), change: mark(find(protocol, "difference")),
      })).filter((row) => row.tuned), { label: "Leak meter" }),
      key(["baseline square", "baseline"], ["tuned", "tuned"]));
    const share = (protocol) => report.fact("leak_meter", `memory_share_${protocol}`);
    return [
      choice("Figure", metrics.map(([pair, row]) => [pair, metricTitle(row.metric, row.k)]), chosen, (pair) => { chosen = pair; made.redraw(); }),
      made,
      table([
        { name: "Scored how", cell: ([, name]) => name },
        { name: "Gain in precision at 5", numeric: true, cell: ([protocol]) => signed(rows.find((row) => row.protocol === protocol && row.model === "difference" && row.metric === "precision" && row.k === 5)?.value) },
        { name: "Scored notes seen in training", numeric: true, cell: ([protocol]) => percent(rows.find((row) => row.protocol === protocol)?.seen_share) },
        { name: "Share of the gain that is memory", numeric: true, cell: ([protocol]) => (protocol === known[0][0] ? "0%" : percent(share(protocol))) },
      ], known, { label: "Leak meter" }),
    ];
  }

  page.section({ id: "leak", title: "Leak meter", after: "labels", show: leak });
})((globalThis.medembedPage ??= {}));
