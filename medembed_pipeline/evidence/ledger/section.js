/** What each search won and lost, and who is confused with whom. */
(function (page) {
  "use strict";
  const { element, number, signed, count, percent, isNumber, plural } = page.base;
  const { figure, histogram } = page.charts;
  const { heatmap, scaleBar } = page.heatmap;
  const { table, noteButton, dots, choice } = page.tables;

  const barred = (change) => element("span", { class: `change ${change > 0 ? "better" : change < 0 ? "worse" : "unclear"}` }, signed(change, 1));

  function ledger(app) {
    const { report } = app;
    const all = report.table("retrieval_ledger");
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
    const bins = Array.from({ length: 21 }, () => 0);
    for (const row of all) if (isNumber(row.change)) bins[Math.round((row.change + 1) * 10)] += 1;
    const total = worse.length + better.length + same.length || 1;
    return [
      element("p", { class: "summary" }, element("strong", { class: "better" }, `${plural(better.length, "search", "searches")} got better`), ", ",
        element("strong", { class: "worse" }, `${count(worse.length)} worse`), `, ${count(same.length)} stayed the same.`),
      figure("Change by note", "How much precision at 10 changed for each held-out note. Good: a heavy right side, and a thin left one; look at the left end first.",
        (width) => histogram(width, [["worse", "negative", (bin) => bin < 10], ["the same", "same", (bin) => bin === 10], ["better", "tuned", (bin) => bin > 10]]
          .map(([name, kind, within]) => ({ name, kind, shares: bins.map((value, bin) => (within(bin) ? value / total : 0)) })),
          { domain: [-1.05, 1.05], height: 170, label: "Change of precision at 10 by note", axis: "change of precision at 10" })),
      element("p", { class: "reading" }, "Every held-out note as a search, the worst regression first. A filled dot is a neighbour that shares a specialty, the nearest at the left. " +
        "Open the worst ten: either the model has lost something, or their labels are wrong."),
      element("div", { class: "bar" }, choice("Order", [["worst", "worst first"], ["best", "best first"]], order, (value) => { order = value; made.show(rows()); }),
        element("label", {}, element("span", {}, "Specialty"), picker)),
      made,
    ];
  }

  function confusions(app) {
    const { report } = app;
    const rows = report.table("specialty_confusions");
    if (!rows?.length) return null;
    const share = new Map(rows.map((row) => [`${row.model}|${row.specialty}|${row.wrong_specialty}`, row.share]));
    const weight = new Map(rows.map((row) => [`${row.model}|${row.specialty}|${row.wrong_specialty}`, row.weight]));
    const of = (model, specialty, wrong) => share.get(`${model}|${specialty}|${wrong}`) ?? 0;
    const names = report.payload.specialty_names.filter((name) => rows.some((row) => row.specialty === name || row.wrong_specialty === name));
    const pairs = [...new Map(rows.map((row) => [`${row.specialty}|${row.wrong_specialty}`, row])).values()].map((row) => ({
      ...row, before: of("baseline", row.specialty, row.wrong_specialty), after: of("tuned", row.specialty, row.wrong_specialty),
      slots: weight.get(`tuned|${row.specialty}|${row.wrong_specialty}`) ?? 0,
    })).sort((left, right) => right.slots - left.slots || right.after - left.after);
    let shown = "tuned";
    const top = Math.max(...rows.map((row) => row.share));
    const reach = Math.max(...pairs.map((pair) => Math.abs(pair.after - pair.before)), 0.001);
    const legend = element("div", {});
    const map = figure("Wrong neighbours, by specialty",
      "Row: the specialty that searches. Column: the specialty of the wrong notes it gets among its ten nearest. Strong colour is much confusion. " +
      "Good: a faint square. Under “change”, blue is less confusion than before and vermillion is more.",
      (width) => {
        const changes = shown === "change";
        const domain = changes ? [-reach, reach] : [0, top];
        legend.replaceChildren(scaleBar(domain, changes, (value) => (changes ? signed(100 * value, 0) + " points" : percent(value))));
        const value = (row, column) => {
          const [one, other] = [names[row], names[column]];
          if (one === other) return null;
          return changes ? of("tuned", one, other) - of("baseline", one, other) : of(shown, one, other);
        };
        return heatmap(width, {
          rows: names, columns: names, value, domain, diverging: changes, label: "Confusions between specialties",
          words: (row, column) => `Of what ${names[row]} finds, ${percent(of("baseline", names[row], names[column]), 1)} was wrongly ${names[column]} before, ` +
            `${percent(of("tuned", names[row], names[column]), 1)} after`,
        });
      }, legend);
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
      choice("Show", [["tuned", "after"], ["baseline", "before"], ["change", "change"]], shown, (value) => { shown = value; map.redraw(); }),
      map,
    ];
  }

  page.section({ id: "ledger", title: "The ledger: what each search won and lost", short: "Ledger", after: "tasks", show: ledger });
  page.section({ id: "confusions", title: "Confusions", after: "ledger", show: confusions });
})((globalThis.medembedPage ??= {}));
