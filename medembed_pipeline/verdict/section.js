/** The verdict: what decided it, each point with the way to its evidence. */
(function (page) {
  "use strict";
  const { element, number, signed, count, isNumber, words, capital } = page.base;
  const { folded } = page.tables;
  const { metricTitle, metricKey, metricRows, finder } = page.figures;

  /** Section that holds the evidence of a table. */
  const PLACES = {
    embedding_metrics: "metrics", similarity_evidence: "distributions", query_results: "ledger", label_confusions: "confusions",
    embedding_diagnostics: "health", task_metrics: "tasks", label_review: "labels", leakage_estimate: "leak", note_displacement: "displacement",
    aligned_projections: "map", projections: "map", slice_metrics: "slices", checkpoint_history: "history", finetuned_checkpoint: "training",
    note_splits: "made", triplets: "made", neighbors: "ledger",
  };
  /** Sections that are left out where their table is empty. */
  const LEFT_OUT = { metrics: "embedding_metrics", specialties: "embedding_metrics", slices: "slice_metrics", leak: "leakage_estimate" };
  const evidencePlace = (row) => (/specialty/.test(row.rule) && row.evidence === "embedding_metrics" ? "specialties"
    : PLACES[row.evidence] ?? "left-out");

  function verdict(app) {
    const { report } = app;
    const placeOf = (row) => {
      const place = evidencePlace(row);
      return LEFT_OUT[place] && !report.table(LEFT_OUT[place])?.length ? "made" : place;
    };
    const rows = report.table("release_verdict");
    const kind = report.fact("release_verdict", "verdict");
    const root = element("section", { id: "verdict", class: `verdict ${kind ?? "none"}`, "aria-labelledby": "verdict-title" });
    const [metric, k] = metricKey(report.setting("verdict", "main_metric"));
    const find = finder(metricRows(report));
    const [before, after, change] = ["baseline", "tuned", "difference"].map((model) => find(model, "all", metric, k));
    const headline = before && after
      ? `${metricTitle(metric, k)} goes from ${number(before.value)} to ${number(after.value)}` +
        (change ? ` (${signed(change.value)}${isNumber(change.ci_low) ? `, interval ${signed(change.ci_low)} to ${signed(change.ci_high)}` : ""})` : "") +
        ` on ${count(after.n)} notes.`
      : "";
    if (!rows || !kind) {
      root.append(element("h2", { id: "verdict-title" }, headline || "No verdict yet"),
        element("p", { class: "reading" }, "This page holds no release verdict: materialize release_verdict to have one. " +
          `The figures are of ${report.payload.scored}.`));
      return root;
    }
    const sign = { deploy: "✓", retrain: "✗", inconclusive: "?" }[kind] ?? "";
    const sentence = report.fact("release_verdict", "sentence") ?? capital(kind);
    const cut = sentence.indexOf(":");
    root.append(
      element("p", { class: "badge" }, element("span", { "aria-hidden": "true" }, sign), ` ${capital(kind)}`),
      element("h2", { id: "verdict-title" }, cut > 0 && sentence.slice(0, cut).toLowerCase() === kind ? capital(sentence.slice(cut + 1).trim()) : sentence));
    const reason = (row) => {
      const state = row.passed === true ? ["passed", "✓", "holds"] : row.passed === false ? ["failed", "✗", "broken"] : ["open", "?", "not judged"];
      const place = placeOf(row);
      return element("li", { class: state[0] },
        element("span", { class: "mark", "aria-label": state[2], role: "img" }, state[1]),
        element("a", { href: `#at=${place}`, "data-rule": row.rule, title: `The evidence: ${row.evidence}` },
          element("strong", {}, capital(words(row.rule))), element("span", {}, row.reason)));
    };
    const order = (row) => (row.passed === false ? 0 : row.passed === true ? 2 : 1);
    const deciding = rows.filter((row) => row.kind === "decides").sort((left, right) => order(left) - order(right));
    const information = rows.filter((row) => row.kind !== "decides");
    const met = information.filter((row) => row.passed === true).length;
    root.append(element("ul", { class: "reasons" }, deciding.map(reason)));
    if (information.length) {
      root.append(folded(`For information: ${met} of ${information.length} further points hold (published checklist and limits)`,
        element("p", { class: "reading" }, "These decide nothing. They are the thresholds that published fine-tunings are judged by; a sound model can miss them."),
        element("ul", { class: "reasons" }, information.map(reason))));
    }
    return root;
  }

  page.section({ id: "verdict", title: "Verdict", show: verdict });
})((globalThis.medembedPage ??= {}));
