/** What each search won and lost, and who is confused with whom. */
(function (page) {
  "use strict";
  const { element, number, signed, count, percent, isNumber, plural } = page.base;
  const { specified } = page.charts;
  const { table, noteButton, dots, choice } = page.tables;

  const barred = (change) => element("span", { class: `change ${change > 0 ? "better" : change < 0 ? "worse" : "unclear"}` }, signed(change, 1));

  function ledger(app) {
    const { report } = app;
    const all = report.table("query_results");
    if (!all?.length) return null;
    const [worse, better, same] = [(row) => row.change < 0, (row) => row.change > 0, (row) => row.change === 0]
      .map((test) => all.filter((row) => isNumber(row.change) && test(row)));
    const orders = { worst: () => all, best: () => [...all].filter((row) => isNumber(row.change)).sort((left, right) => right.change - left.change || left.rank - right.rank) };
    let [order, specialty] = ["worst", ""];
    const rows = () => orders[order]().filter((row) => !specialty || row.specialties.includes(specialty));
    const made = table([
      { name: "#", numeric: true, cell: (row) => String(row.rank), by: (row) => row.rank },
      { name: "Note", cell: (row) => noteButton(app, row.note_id), by: (row) => row.specialties.join(", ") },
      { name: "Ten nearest before", cell: (row) => dots(row.relevant_baseline, "baseline"), by: (row) => row.precision_baseline },
      { name: "Ten nearest after", cell: (row) => dots(row.relevant_tuned, "tuned"), by: (row) => row.precision_tuned },
      { name: "Change", numeric: true, cell: (row) => barred(row.change), by: (row) => row.change, about: "Precision at 10, after minus before" },
      { name: "Lost", numeric: true, cell: (row) => String(row.lost.length), by: (row) => row.lost.length, about: "Relevant neighbours that are gone" },
      { name: "Won", numeric: true, cell: (row) => String(row.won.length), by: (row) => row.won.length, about: "Relevant neighbours that are new" },
      {
        name: "Average precision", numeric: true, by: (row) => (isNumber(row.average_precision_tuned) ? row.average_precision_tuned - row.average_precision_baseline : null),
        cell: (row) => `${number(row.average_precision_baseline, 2)} → ${number(row.average_precision_tuned, 2)}`,
      },
    ], rows(), { label: "The ledger", first: 15, open: (row) => app.open(row.note_id) });
    const names = [...new Set(all.flatMap((row) => row.specialties))].sort();
    const picker = element("select", { id: "ledger-specialty", on: { change: (event) => { specialty = event.target.value; made.show(rows()); } } },
      element("option", { value: "" }, "all specialties"), names.map((name) => element("option", { value: name }, name)));
    return [
      element("p", { class: "summary" }, element("strong", { class: "better" }, `${plural(better.length, "search", "searches")} got better`), ", ",
        element("strong", { class: "worse" }, `${count(worse.length)} worse`), `, ${count(same.length)} stayed the same.`),
      specified(app, "query_results", "change_by_note"),
      element("p", { class: "reading" }, "Every held-out note as a search, the worst regression first. A filled dot is a neighbour that shares a specialty, the nearest at the left. " +
        "Open the worst ten: either the model has lost something, or their labels are wrong."),
      element("div", { class: "bar" }, choice("Order", [["worst", "worst first"], ["best", "best first"]], order, (value) => { order = value; made.show(rows()); }),
        element("label", {}, element("span", {}, "Specialty"), picker)),
      made,
    ];
  }

  function confusions(app) {
    const { report } = app;
    const rows = report.table("label_confusions");
    if (!rows?.length) return null;
    const share = new Map(rows.map((row) => [`${row.model}|${row.specialty}|${row.wrong_specialty}`, row.share]));
    const weight = new Map(rows.map((row) => [`${row.model}|${row.specialty}|${row.wrong_specialty}`, row.weight]));
    const of = (model, specialty, wrong) => share.get(`${model}|${specialty}|${wrong}`) ?? 0;
    const pairs = [...new Map(rows.map((row) => [`${row.specialty}|${row.wrong_specialty}`, row])).values()].map((row) => ({
      ...row, before: of("baseline", row.specialty, row.wrong_specialty), after: of("tuned", row.specialty, row.wrong_specialty),
      slots: weight.get(`tuned|${row.specialty}|${row.wrong_specialty}`) ?? 0,
    })).sort((left, right) => right.slots - left.slots || right.after - left.after);
    return [
      element("p", { class: "reading" }, "Which specialty's notes come up wrongly, the most frequent first; the share is of all that the specialty's searches find. " +
        "Good: shares that fall. A pair that stays large is either alike in truth or filed inconsistently."),
      table([
        { name: "Searching for", cell: (row) => row.specialty, by: (row) => row.specialty },
        { name: "finds wrongly", cell: (row) => row.wrong_specialty, by: (row) => row.wrong_specialty },
        { name: "Wrong neighbours", numeric: true, cell: (row) => number(row.slots, 1), by: (row) => row.slots, about: "Places among the ten nearest, after; a neighbour of several specialties counts in parts" },
        { name: "Share before", numeric: true, cell: (row) => percent(row.before, 1), by: (row) => row.before },
        { name: "Share after", numeric: true, cell: (row) => percent(row.after, 1), by: (row) => row.after },
        {
          name: "Change", numeric: true, by: (row) => row.after - row.before,
          cell: (row) => element("span", { class: `change ${row.after < row.before ? "better" : row.after > row.before ? "worse" : "unclear"}` }, `${signed(100 * (row.after - row.before), 1)} points`),
        },
        { name: "Notes", numeric: true, cell: (row) => count(row.queries), by: (row) => row.queries },
      ], pairs, { label: "The largest confusions", first: 10 }),
      specified(app, "label_confusions", "confusions"), specified(app, "label_confusions", "confusion_changes"),
    ];
  }

  page.section({ id: "ledger", title: "The ledger: what each search won and lost", short: "Ledger", after: "tasks", show: ledger });
  page.section({ id: "confusions", title: "Confusions", after: "ledger", show: confusions });
})((globalThis.medembedPage ??= {}));
