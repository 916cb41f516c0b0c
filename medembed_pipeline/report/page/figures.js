/** What the figures are called, and where they are found: shared by the sections. */
(function (page) {
  "use strict";
  const { isNumber, words, capital } = page.base;

  /** Figures of the overview, in its order: metric, k, name, whether lower is better. */
  const HEADLINES = [
    ["precision", 1, "Precision at 1"], ["precision", 5, "Precision at 5"], ["precision", 10, "Precision at 10"],
    ["mrr", null, "MRR"], ["ndcg", 10, "nDCG at 10"], ["map", null, "MAP"], ["silhouette", null, "Cosine silhouette"],
  ];
  const NAMES = {
    precision: "precision", mrr: "MRR", ndcg: "nDCG", map: "MAP", silhouette: "cosine silhouette", davies_bouldin: "Davies-Bouldin index (lower is better)",
    positive_similarity: "mean similarity of positive pairs", positive_similarity_std: "its standard deviation",
    negative_similarity: "mean similarity of negative pairs", negative_similarity_std: "its standard deviation (negative pairs)",
  };
  const metricName = (metric, k) => `${NAMES[metric] ?? words(metric)}${isNumber(k) ? ` at ${k}` : ""}`;

  /** The same, at the start of a line. */
  const metricTitle = (metric, k) => HEADLINES.find((one) => one[0] === metric && one[1] === (k ?? null))?.[2] ?? capital(metricName(metric, k));

  /** Rows of embedding_metrics for the split that was scored. */
  function metricRows(report) {
    const all = report.table("embedding_metrics") ?? [];
    const split = all.some((row) => row.split === "test") ? "test" : all[0]?.split;
    return all.filter((row) => row.split === split);
  }

  const asMark = (row) => (row && isNumber(row.value) ? { value: row.value, low: row.ci_low, high: row.ci_high, n: row.n } : undefined);

  /** @returns {(model: string, scope: string, metric: string, k: number|null) => any} */
  function finder(rows) {
    const found = new Map(rows.map((row) => [`${row.model}|${row.scope}|${row.metric}|${row.k ?? ""}`, row]));
    return (model, scope, metric, k) => found.get(`${model}|${scope}|${metric}|${k ?? ""}`);
  }

  /** `precision@5` -> ["precision", 5] */
  const metricKey = (text) => {
    const [metric, k] = String(text ?? "precision@5").split("@");
    return [metric, k ? Number(k) : null];
  };

  /** Rows of similarity_evidence of one kind. */
  const evidence = (report, name) =>
    report.once(`evidence ${name}`, () => (report.table("similarity_evidence") ?? []).filter((row) => row.figure === name));

  page.figures = { HEADLINES, metricName, metricTitle, metricKey, metricRows, finder, asMark, evidence };
})((globalThis.medembedPage ??= {}));
