/** The health of the space. */
(function (page) {
  "use strict";
  const { element, number, signed, count, isNumber, words } = page.base;
  const { specified } = page.charts;
  const { table, noteButton, folded } = page.tables;

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
    const rows = report.table("embedding_diagnostics");
    if (!rows?.length) return null;
    const find = (model, name, of = "") => rows.find((row) => row.model === model && row.figure === name && (row.name ?? "") === of)?.value;
    const named = (name) => [...new Set(rows.filter((row) => row.figure === name).map((row) => row.name))];
    const lines = Object.entries(FIGURES).filter(([name]) => isNumber(find("baseline", name)) || isNumber(find("tuned", name)))
      .map(([name, [title, reading, digits]]) => ({ title, reading, digits, before: find("baseline", name), after: find("tuned", name) }));
    for (const of of named("within_class_recall")) {
      lines.push({
        title: `Detail kept (${words(of)})`, digits: 3, before: find("baseline", "within_class_recall", of), after: find("tuned", "within_class_recall", of),
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
    parts.push(...["spread_within_specialties", "how_often_notes_are_found"].map((name) => specified(app, "embedding_diagnostics", name)));
    const hubs = rows.filter((row) => row.figure === "hub" && row.model === "tuned").map((row) => ({
      at: Number(row.name), after: row.value, before: find("baseline", "hub", row.name),
    })).sort((left, right) => right.after - left.after);
    if (hubs.length) {
      const k = report.fact("embedding_diagnostics", "hub_neighbors") ?? 10;
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

  page.section({ id: "health", title: "Health of the space", short: "Health", after: "leak", show: health });
})((globalThis.medembedPage ??= {}));
