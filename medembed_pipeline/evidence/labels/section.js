/** Labels that look wrong. */
(function (page) {
  "use strict";
  const { element, number, count, percent, isNumber, plural } = page.base;
  const { table, noteButton, choice } = page.tables;

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
      page.charts.specified(app, "label_review", "label_quality"),
      choice("Show", groups.map(([judgement, name]) => [judgement, `${name} (${count(of(judgement).length)})`]), first[0], (judgement) => made.show(of(judgement))),
      made,
    ];
  }

  page.section({ id: "labels", title: "Label review", after: "displacement", show: labels });
})((globalThis.medembedPage ??= {}));
