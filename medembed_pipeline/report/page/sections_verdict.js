/** The verdict, the metrics, the change by specialty, and the comparison of several models. */
(function (page) {
  "use strict";
  const { element, number, signed, count, percent, isNumber, interval, words, capital } = page.base;
  const { figure, dumbbells, forest, key } = page.charts;
  const { table, choice, folded } = page.tables;

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

  /** Section that holds the evidence of a table. */
  const PLACES = {
    embedding_metrics: "metrics", similarity_evidence: "distributions", retrieval_ledger: "ledger", specialty_confusions: "confusions",
    space_health: "health", task_metrics: "tasks", label_review: "labels", leak_meter: "leak", note_movement: "movement",
    aligned_projections: "map", projections: "map", slice_metrics: "slices", checkpoint_history: "history", finetuned_checkpoint: "training",
    note_splits: "made", triplets: "made", neighbors: "ledger",
  };
  /** Sections that are left out where their table is empty. */
  const LEFT_OUT = { metrics: "embedding_metrics", specialties: "embedding_metrics", slices: "slice_metrics", leak: "leak_meter" };
  const evidencePlace = (row) => (/specialty/.test(row.rule) && row.evidence === "embedding_metrics" ? "specialties"
    : PLACES[row.evidence] ?? "left-out");

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

  /** The best that any model could reach with these labels, by metric and k. */
  function ceilingOf(report, metric, k) {
    const rows = report.fact("label_review", "ceilings") ?? [];
    const row = rows.find((one) => one.metric === metric && (one.k ?? null) === k);
    return row?.ceiling ?? (metric === "precision" && k === 5 ? report.fact("label_review", "ceiling_precision_at_5") : null);
  }

  function metrics(app) {
    const { report } = app;
    const rows = metricRows(report);
    if (!rows.length) return null;
    const find = finder(rows);
    const lines = HEADLINES.filter(([metric, k]) => asMark(find("baseline", "all", metric, k)) || asMark(find("tuned", "all", metric, k)))
      .map(([metric, k, name]) => ({
        name, baseline: asMark(find("baseline", "all", metric, k)), tuned: asMark(find("tuned", "all", metric, k)),
        change: asMark(find("difference", "all", metric, k)), ceiling: ceilingOf(report, metric, k),
      }));
    const scope = (name) => [...new Set(rows.filter((row) => row.scope === name).map((row) => `${row.metric}|${row.k ?? ""}`))]
      .map((pair) => pair.split("|")).map(([metric, k]) => ({ metric, k: k === "" ? null : Number(k), scope: name }));
    const cells = ["all", "macro"].flatMap(scope);
    const value = (model) => (row) => find(model, row.scope, row.metric, row.k);
    const column = (name, model, form) => ({
      name, numeric: true, by: (row) => value(model)(row)?.value ?? null,
      cell: (row) => { const one = value(model)(row); return one ? form(one) : "–"; },
    });
    const full = table([
      { name: "Figure", cell: (row) => metricName(row.metric, row.k), by: (row) => metricName(row.metric, row.k) },
      { name: "Over", cell: (row) => (row.scope === "all" ? "all notes" : "mean over specialties"), by: (row) => row.scope },
      column("Baseline", "baseline", (one) => number(one.value)), column("Interval", "baseline", (one) => interval(one.ci_low, one.ci_high)),
      column("Tuned", "tuned", (one) => number(one.value)), column("Interval", "tuned", (one) => interval(one.ci_low, one.ci_high)),
      column("Change", "difference", (one) => signed(one.value)), column("Interval", "difference", (one) => (isNumber(one.ci_low) ? `${signed(one.ci_low)} to ${signed(one.ci_high)}` : "")),
      column("Notes", "tuned", (one) => count(one.n)),
    ], cells, { label: "All figures", first: 60 });
    const confidence = report.setting("evaluation", "confidence") ?? 0.95;
    const hasCeiling = lines.some((row) => isNumber(row.ceiling));
    return [
      figure("Before and after",
        `Each line is one figure: grey square before, blue circle after, whiskers the ${percent(confidence)} interval over near-duplicate groups. ` +
        "Right is better, 1 is perfect. Good: the change at the right has its whole interval above zero (blue); an interval that includes zero proves nothing." +
        (hasCeiling ? " The upright line is the label ceiling: no model could do better with these labels." : ""),
        (width) => dumbbells(width, lines, { label: "Metrics of both models" }),
        key(["baseline square", "baseline"], ["tuned", "tuned"], ...(hasCeiling ? [["ceiling", "label ceiling"]] : []))),
      folded("All figures as a table", full),
    ];
  }

  function specialties(app) {
    const { report } = app;
    const rows = metricRows(report);
    const find = finder(rows);
    const names = [...new Set(rows.map((row) => row.scope))].filter((scope) => scope !== "all" && scope !== "macro");
    if (!names.length) return null;
    const offered = HEADLINES.filter(([metric, k]) => names.some((name) => asMark(find("difference", name, metric, k))));
    if (!offered.length) return null;
    const main = report.setting("verdict", "main_metric") ?? "precision@5";
    let chosen = offered.find(([metric, k]) => `${metric}${isNumber(k) ? `@${k}` : ""}` === main) ?? offered[0];
    const tolerance = report.setting("verdict", "specialty_tolerance") ?? 0;
    const lines = () => names.flatMap((name) => {
      const [metric, k] = chosen;
      const change = asMark(find("difference", name, metric, k));
      if (!change) return [];
      return [{ name, ...change, before: find("baseline", name, metric, k)?.value, after: find("tuned", name, metric, k)?.value }];
    }).sort((left, right) => left.value - right.value);
    const made = figure("Change by specialty, the most harmed first",
      "One row per specialty with its held-out notes in brackets: the change of the chosen figure and its interval. Left of zero is harm. " +
      (tolerance ? `The shaded band is the fall that the verdict tolerates (${number(tolerance, 2)}). ` : "") +
      "Good: no vermillion row. A wide interval means few notes, not a large effect.",
      (width) => forest(width, lines(), { tolerance, label: "Change by specialty" }));
    const id = ([metric, k]) => `${metric}|${k}`;
    return [
      choice("Figure", offered.map((one) => [id(one), one[2]]), id(chosen), (picked) => {
        chosen = offered.find((one) => id(one) === picked);
        made.redraw();
      }),
      made,
    ];
  }

  /** Several models side by side. */
  function comparison(app) {
    const { report } = app;
    const given = report.payload.comparison;
    if (!given?.length) return null;
    const models = given.map(({ name, metrics: columns }) => ({ name, find: finder(page.data.rows(columns)) }));
    const known = HEADLINES.filter(([metric, k]) => models.some((model) => asMark(model.find("tuned", "all", metric, k))));
    if (!known.length) return null;
    let [chosen] = known.filter(([metric, k]) => metric === "precision" && k === 5).concat(known);
    const made = figure("Models side by side",
      "Every model on the same notes: blue circles, against the same baseline, the grey square; whiskers are intervals. Intervals that overlap widely do not tell two models apart.",
      (width) => dumbbells(width, models.map(({ name, find }) => {
        const [baseline, tuned, change] = ["baseline", "tuned", "difference"].map((model) => asMark(find(model, "all", chosen[0], chosen[1])));
        return { name, baseline, tuned, change };
      }).filter((row) => row.tuned), { label: "Models side by side" }),
      key(["baseline square", "baseline"], ["tuned", "this model"]));
    const id = ([metric, k]) => `${metric}|${k}`;
    return [
      choice("Figure", known.map((one) => [id(one), one[2]]), id(chosen), (picked) => {
        chosen = known.find((one) => id(one) === picked);
        made.redraw();
      }),
      made,
      table([
        { name: "Model", cell: (row) => row.name, by: (row) => row.name },
        ...known.map(([metric, k, name]) => ({
          name, numeric: true, by: (row) => row.find("tuned", "all", metric, k)?.value ?? null,
          cell: (row) => number(row.find("tuned", "all", metric, k)?.value),
        })),
      ], models, { label: "Models side by side" }),
    ];
  }

  page.sections = { ...page.sections, verdict, metrics, specialties, comparison, ceilingOf, metricName, metricTitle, metricRows, HEADLINES };
})((globalThis.medembedPage ??= {}));
