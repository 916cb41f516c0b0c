/** What a leaking split would have shown. */
(function (page) {
  "use strict";
  const { signed, percent } = page.base;
  const { specified } = page.charts;
  const { table } = page.tables;

  const PROTOCOLS = [
    ["by_patient", "Patients kept apart"], ["by_group", "Near-duplicates kept apart"], ["by_text", "Split by text"], ["by_row", "Split by row"],
    ["all_notes", "All notes"], ["training_notes", "Training notes"],
  ];

  function leak(app) {
    const { report } = app;
    const rows = report.table("leakage_estimate");
    if (!rows?.length) return null;
    const known = PROTOCOLS.filter(([protocol]) => rows.some((row) => row.protocol === protocol));
    const share = (protocol) => report.fact("leakage_estimate", `memorization_share_${protocol}`);
    return [
      specified(app, "leakage_estimate", "gain_by_protocol"),
      table([
        { name: "Scored how", cell: ([, name]) => name },
        { name: "Gain in precision at 5", numeric: true, cell: ([protocol]) => signed(rows.find((row) => row.protocol === protocol && row.model === "difference" && row.metric === "precision" && row.k === 5)?.value) },
        { name: "Scored notes seen in training", numeric: true, cell: ([protocol]) => percent(rows.find((row) => row.protocol === protocol)?.seen_share) },
        { name: "Share of the gain that is memory", numeric: true, cell: ([protocol]) => (protocol === known[0][0] ? "0%" : percent(share(protocol))) },
      ], known, { label: "Leakage estimate" }),
    ];
  }

  page.section({ id: "leak", title: "Leakage estimate", after: "labels", show: leak });
})((globalThis.medembedPage ??= {}));
