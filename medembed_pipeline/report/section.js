/** How the page was made: settings, versions, hashes; and what it was made without. */
(function (page) {
  "use strict";
  const { element, words } = page.base;
  const { table, folded } = page.tables;

  /** A value of the settings or the manifest as one line. */
  const plain = (value) => (value === null || value === undefined ? "none" : typeof value === "object" ? JSON.stringify(value) : String(value));

  const pairs = (label, values) => table([
    { name: "Name", cell: ([name]) => name }, { name: "Value", cell: ([, value]) => element("code", {}, plain(value)) },
  ], Object.entries(values), { label, first: 200 });

  /** Tables of the graph that the page draws, and what it lacks without them. */
  const NEEDED = {
    release_verdict: "the verdict", embedding_metrics: "metrics and change by specialty", task_metrics: "what the model kept", query_results: "the ledger",
    label_confusions: "the confusions", similarity_evidence: "distributions, heatmaps and examples", label_review: "the label review",
    checkpoint_history: "the history of checkpoints", leakage_estimate: "the leakage estimate", embedding_diagnostics: "the health of the space",
    task_metrics: "what the model kept",
  };

  function leftOut(report) {
    const missing = Object.entries(NEEDED).filter(([name]) => !report.payload.tables[name]);
    if (!report.payload.maps.some((map) => map.comparable)) missing.push(["aligned_projections", "maps on which motion means something"]);
    if (!report.displacement.distance && !report.displacement.overlap) missing.push(["note_displacement", "how far each note moved"]);
    if (!report.payload.neighbors) missing.push(["neighbors", "the neighbours of a note"]);
    return missing;
  }

  function made(app) {
    const { report } = app;
    const { settings = {}, versions = {}, checkpoint = null, packages = {} } = report.payload.made ?? {};
    const missing = leftOut(report);
    const flat = (values) => Object.fromEntries(Object.entries(values ?? {}).flatMap(([name, value]) =>
      (value && typeof value === "object" && !Array.isArray(value) ? Object.entries(value).map(([inner, one]) => [`${name}.${inner}`, one]) : [[name, value]])));
    return [
      element("p", { class: "reading" }, "Enough to make the same page again: the same settings, packages and notes give the same versions below."),
      element("dl", { class: "facts" },
        element("dt", {}, "Baseline"), element("dd", {}, report.models.baseline),
        element("dt", {}, "Tuned"), element("dd", {}, report.models.tuned),
        element("dt", {}, "Scored on"), element("dd", {}, report.payload.scored),
        element("dt", {}, "Notes"), element("dd", {}, page.base.count(report.size)),
        ...(checkpoint?.version ? [element("dt", {}, "Checkpoint"), element("dd", {}, element("code", {}, checkpoint.version))] : [])),
      Object.keys(versions).length ? folded("Data versions", pairs("Data versions", versions)) : null,
      checkpoint?.manifest ? folded("Checkpoint", pairs("Checkpoint", flat(checkpoint.manifest))) : null,
      Object.keys(settings).length ? folded("Settings", ...Object.entries(settings).flatMap(([section, fields]) =>
        [element("h3", {}, words(section)), pairs(section, fields && typeof fields === "object" ? fields : { value: fields })])) : null,
      Object.keys(packages).length ? folded("Packages", pairs("Packages", packages)) : null,
      element("div", { id: "left-out", tabindex: -1 }, missing.length
        ? [element("h3", {}, "Not in this page"), element("p", { class: "reading" }, "Materialize these assets, then report, to have them here:"),
          element("ul", {}, missing.map(([name, what]) => element("li", {}, element("code", {}, name), ` – ${what}`)))]
        : element("p", { class: "reading" }, "Nothing was left out.")),
    ];
  }

  page.section({ id: "made", title: "Settings, versions, hashes", short: "Settings and versions", after: "comparison", show: made });
})((globalThis.medembedPage ??= {}));
