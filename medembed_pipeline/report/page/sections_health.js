/** Labels that look wrong, what a leaking split would have shown, and the health of the space. */
(function (page) {
  "use strict";
  const { element, number, signed, count, percent, isNumber, words, plural } = page.base;
  const { figure, dumbbells, key } = page.charts;
  const { table, noteButton, choice, folded } = page.tables;

  function labels(app) {
    const { report } = app;
    const rows = report.table("label_review");
    if (!rows?.length) return null;
    const groups = [["looks_wrong", "looks wrong"], ["several_specialties", "several specialties"], ["agrees", "agrees"]];
    const of = (judgement) => rows.filter((row) => row.judgement === judgement);
    const first = groups.find(([judgement]) => of(judgement).length) ?? groups[0];
    const made = table([
      { name: "#", numeric: true, cell: (row) => String(row.rank), by: (row) => row.rank },
      { name: "Note, and how it is filed", cell: (row) => noteButton(app, row.note_id), by: (row) => row.specialties.join(", ") },
      { name: "Reads like", cell: (row) => row.suggested ?? "–", by: (row) => row.suggested },
      { name: "Probability as filed", numeric: true, cell: (row) => percent(row.given_probability), by: (row) => row.given_probability },
      { name: "as it reads", numeric: true, cell: (row) => percent(row.suggested_probability), by: (row) => row.suggested_probability },
      { name: "Label quality", numeric: true, cell: (row) => number(row.label_quality, 2), by: (row) => row.label_quality },
      { name: "Split", cell: (row) => row.split, by: (row) => row.split },
    ], of(first[0]), { label: "Notes by their label", first: 12, open: (row) => app.open(row.note_id) });
    const ceiling = report.fact("label_review", "ceiling_precision_at_5");
    const noisy = report.fact("label_review", "ceiling_with_label_noise");
    return [
      element("p", { class: "summary" }, element("strong", {}, `${plural(of("looks_wrong").length, "label looks", "labels look")} wrong`),
        `, ${plural(of("several_specialties").length, "note")} may rightly belong to a further specialty.`,
        isNumber(ceiling) ? ` With these labels no model can reach more than ${number(ceiling)} of precision at 5${isNumber(noisy) ? `; about ${number(noisy)} if the doubtful labels are wrong indeed` : ""}.` : ""),
      element("p", { class: "reading" }, "A classifier that never saw the note judges its label. Low label quality is a reason to read the note, not a proof. " +
        "Good: few wrong labels. Many of them lower the best score that any model can reach, and the ceiling says to where."),
      choice("Show", groups.map(([judgement, name]) => [judgement, `${name} (${count(of(judgement).length)})`]), first[0], (judgement) => made.show(of(judgement))),
      made,
    ];
  }

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
      choice("Figure", metrics.map(([pair, row]) => [pair, page.sections.metricTitle(row.metric, row.k)]), chosen, (pair) => { chosen = pair; made.redraw(); }),
      made,
      table([
        { name: "Scored how", cell: ([, name]) => name },
        { name: "Gain in precision at 5", numeric: true, cell: ([protocol]) => signed(rows.find((row) => row.protocol === protocol && row.model === "difference" && row.metric === "precision" && row.k === 5)?.value) },
        { name: "Scored notes seen in training", numeric: true, cell: ([protocol]) => percent(rows.find((row) => row.protocol === protocol)?.seen_share) },
        { name: "Share of the gain that is memory", numeric: true, cell: ([protocol]) => (protocol === known[0][0] ? "0%" : percent(share(protocol))) },
      ], known, { label: "Leak meter" }),
    ];
  }

  /** Figures of the space: what they are called, what is good, and in which direction. */
  const FIGURES = {
    alignment: ["Alignment", "Mean squared distance of pairs that share a specialty. Lower is better, as long as uniformity holds.", 3],
    uniformity: ["Uniformity", "How evenly the notes fill the space. Lower is more even; much higher than before is a warning of collapse.", 3],
    effective_rank: ["Effective rank", "Number of directions in use. A fall to a small fraction means that detail is lost.", 1],
    hubness_skew: ["Hubness", "Skew of how often a note is somebody's neighbour. Over 3, and grown, is an alarm.", 2],
    unreachable_share: ["Unreachable notes", "Share of notes that no search finds. Lower is better.", 3],
    knn_macro_f1: ["kNN macro-F1", "Specialty told by the nearest training notes. Higher is better.", 3],
    probe_macro_f1: ["Linear probe macro-F1", "Specialty told by a linear classifier. Higher is better.", 3],
  };

  function health(app) {
    const { report } = app;
    const rows = report.table("space_health");
    if (!rows?.length) return null;
    const find = (model, name, of = "") => rows.find((row) => row.model === model && row.figure === name && (row.name ?? "") === of)?.value;
    const named = (name) => [...new Set(rows.filter((row) => row.figure === name).map((row) => row.name))];
    const lines = Object.entries(FIGURES).filter(([name]) => isNumber(find("baseline", name)) || isNumber(find("tuned", name)))
      .map(([name, [title, reading, digits]]) => ({ title, reading, digits, before: find("baseline", name), after: find("tuned", name) }));
    for (const of of named("detail_kept")) {
      lines.push({
        title: `Detail kept (${words(of)})`, digits: 3, before: find("baseline", "detail_kept", of), after: find("tuned", "detail_kept", of),
        reading: "Share of a note's closest relatives that stay its neighbours within its own specialty. A fall means that notes of one specialty have become one lump.",
      });
    }
    const cell = (name, by) => ({ name, numeric: true, cell: (row) => by(row) });
    const parts = [
      table([
        { name: "Figure", cell: (row) => element("span", {}, element("strong", {}, row.title), element("span", { class: "reading block" }, row.reading)) },
        cell("Before", (row) => number(row.before, row.digits)), cell("After", (row) => number(row.after, row.digits)),
        cell("Change", (row) => signed(row.after - row.before, row.digits)),
      ], lines, { label: "Health of the space", first: 40 }),
    ];
    const spread = named("specialty_spread").map((name) => ({
      name, baseline: { value: find("baseline", "specialty_spread", name) }, tuned: { value: find("tuned", "specialty_spread", name) },
    })).filter((row) => isNumber(row.baseline.value) && isNumber(row.tuned.value)).sort((left, right) => left.tuned.value - right.tuned.value);
    if (spread.length) {
      parts.push(figure("Spread within each specialty", "Median cosine distance between the notes of one specialty, the tightest first. Tuning draws them together. " +
        "Bad: blue circles near zero, where a specialty has collapsed to a point and its notes can no longer be told apart.",
        (width) => dumbbells(width, spread, { label: "Spread within each specialty", digits: 2 }), key(["baseline square", "baseline"], ["tuned", "tuned"])));
    }
    const hubs = rows.filter((row) => row.figure === "hub" && row.model === "tuned").map((row) => ({
      at: Number(row.name), after: row.value, before: find("baseline", "hub", row.name),
    })).sort((left, right) => right.after - left.after);
    if (hubs.length) {
      const k = report.fact("space_health", "hub_neighbors") ?? 10;
      parts.push(folded("The notes that most searches find (hubs)",
        element("p", { class: "reading" }, `How many notes have this one among their ${k} nearest; ${k} is the mean. A note that stands in hundreds of lists pushes others out of them.`),
        table([
          { name: "Note", cell: (row) => noteButton(app, row.at) },
          { name: "In how many lists, after", numeric: true, cell: (row) => count(row.after), by: (row) => row.after },
          { name: "before", numeric: true, cell: (row) => (isNumber(row.before) ? count(row.before) : "not among the largest"), by: (row) => row.before ?? null },
        ], hubs, { label: "Hubs", open: (row) => app.open(row.at) })));
    }
    return parts;
  }

  page.sections = { ...page.sections, labels, leak, health };
})((globalThis.medembedPage ??= {}));
