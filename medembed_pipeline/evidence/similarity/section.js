/** Distributions and heatmaps of similarity, and example searches. */
(function (page) {
  "use strict";
  const { element, number, isNumber } = page.base;
  const { figure, histogram, used, boxes, key } = page.charts;
  const { heatmap, scaleBar, MOST } = page.heatmap;
  const { table } = page.tables;
  const { evidence } = page.figures;

  const MODELS = [["baseline", "Before"], ["tuned", "After"]];

  function distributions(app) {
    const { report } = app;
    const counts = evidence(report, "histogram");
    const spread = evidence(report, "spread");
    if (!counts.length && !spread.length) return null;
    const shares = (model, group) => {
      const rows = counts.filter((row) => row.model === model && row.group === group && isNumber(row.position));
      const bins = 1 + Math.max(0, ...counts.map((row) => row.position));
      const found = Array.from({ length: bins }, () => 0);
      const total = rows[0]?.n || rows.reduce((sum, row) => sum + row.value, 0) || 1;
      for (const row of rows) found[row.position] += row.value / total;
      return found;
    };
    const statistic = (model, group, name) => spread.find((row) => row.model === model && row.group === group && row.statistic === name)?.value;
    const parts = [];
    const kinds = [["positive", "share a specialty"], ["negative", "share none"]];
    if (counts.length) {
      const series = Object.fromEntries(MODELS.map(([model]) => [model, kinds.map(([kind, name]) => ({ name, kind, shares: shares(model, kind) }))]));
      const all = Object.values(series).flat();
      const top = Math.max(...all.flatMap((one) => one.shares));
      const span = used(all);
      parts.push(element("div", { class: "pair" }, MODELS.map(([model, name]) => figure(`${name}: similarity of pairs`,
        model === "baseline"
          ? "Pairs of held-out notes that share a specialty (blue) and pairs that share none (vermillion), by cosine similarity. Both charts have the same scale."
          : "Good: the two hills stand apart, blue at the right. Bad: they overlap as before, or both have moved to the right together.",
        (width) => histogram(width, series[model], { label: `${name}: similarity of pairs`, axis: "cosine similarity", top, span }),
        key(["positive", "share a specialty"], ["negative", "share none"])))));
    }
    const rows = MODELS.flatMap(([model, name]) => kinds.map(([kind, what]) => ({
      name: `${name}: ${what}`, kind,
      ...Object.fromEntries(["minimum", "q1", "median", "q3", "maximum", "mean", "std"].map((one) => [one, statistic(model, kind, one)])),
    }))).filter((row) => isNumber(row.median) && isNumber(row.minimum));
    if (rows.length) {
      parts.push(figure("The same as box plots", "The box holds the middle half, the line is the median, the whiskers reach the lowest and the highest pair. Good: after the tuning the boxes no longer overlap.",
        (width) => boxes(width, rows, { label: "Box plots of similarity" })));
    }
    const summary = [["margin", "Margin (mean of positive minus mean of negative pairs)"], ["separation", "Separation (margin in pooled standard deviations)"]]
      .map(([group, name]) => ({ name, before: statistic("baseline", group, "value"), after: statistic("tuned", group, "value") }))
      .filter((row) => isNumber(row.before) || isNumber(row.after));
    if (summary.length) {
      parts.push(table([
        { name: "Figure", cell: (row) => row.name }, { name: "Before", numeric: true, cell: (row) => number(row.before) },
        { name: "After", numeric: true, cell: (row) => number(row.after) }, { name: "Change", numeric: true, cell: (row) => page.base.signed(row.after - row.before) },
      ], summary, { label: "Margin and separation" }),
      element("p", { class: "reading" }, "Larger is better. Published fine-tunings ask for a margin over 0.25 and a separation over 2; a lower one with good retrieval is no fault."));
    }
    return parts;
  }

  /** Before and after as heatmaps with one scale. */
  function twin(app, { title, reading, rows, columns, value, marked = null, words: spoken = null, domain, wide = false }) {
    return [
      element("h3", {}, title), element("p", { class: "reading" }, reading),
      scaleBar(domain, false, (at) => number(at, 2)),
      element("div", { class: wide ? null : "pair" }, MODELS.map(([model, name]) => figure(name, "", (width) => heatmap(width, {
        largest: wide ? 17 : 26, rows, columns, domain, label: `${title}, ${name.toLowerCase()}`, value: (row, column) => value(model, row, column),
        marked: marked ? (row, column) => marked(row, column) : undefined, words: spoken ? (row, column) => spoken(model, row, column) : undefined,
      })))),
    ];
  }

  const robust = (values) => {
    const sorted = values.filter(isNumber).sort((left, right) => left - right);
    const at = (share) => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
    return [at(0.02), at(0.98)];
  };

  function heatmaps(app) {
    const { report } = app;
    const parts = [];
    const bySpecialty = evidence(report, "specialties");
    if (bySpecialty.length) {
      const cells = new Map(bySpecialty.map((row) => [`${row.model}|${row.group}|${row.other}`, row]));
      const cell = (model, one, other) => cells.get(`${model}|${one}|${other}`) ?? cells.get(`${model}|${other}|${one}`);
      const known = new Set(bySpecialty.flatMap((row) => [row.group, row.other]));
      const names = report.payload.specialty_names.filter((name) => known.has(name));
      parts.push(...twin(app, {
        title: "Specialty by specialty", rows: names, columns: names, domain: robust(bySpecialty.map((row) => row.value)),
        reading: "Mean similarity of the notes of two specialties. Good: a strong diagonal and a faint rest after the tuning. A strong block off the diagonal is two specialties that the model cannot tell apart.",
        wide: names.length > 30,
        value: (model, row, column) => cell(model, names[row], names[column])?.value ?? null,
        words: (model, row, column) => `${names[row]} × ${names[column]}: ${number(cell(model, names[row], names[column])?.value)} (${page.base.count(cell(model, names[row], names[column])?.n)} pairs)`,
      }));
    }
    const documents = evidence(report, "documents");
    if (documents.length) {
      const queries = [...new Set(documents.map((row) => row.group))];
      const columns = [...new Map(documents.map((row) => [row.position, row.other])).entries()].sort(([left], [right]) => left - right).map(([, other]) => other);
      const cells = new Map(documents.map((row) => [`${row.model}|${row.group}|${row.other}`, row]));
      const name = (at) => report.label(Number(at));
      const cut = Math.max(queries.length, columns.length) > MOST ? ` The first ${MOST} are shown.` : "";
      parts.push(...twin(app, {
        title: "Note by note", rows: queries.map(name), columns: columns.map(name), domain: robust(documents.map((row) => row.value)),
        reading: `Held-out notes against held-out notes, in the order of their specialties; a dot marks pairs that share one. Good: strong colour where the dots are, faint elsewhere.${cut}`,
        value: (model, row, column) => cells.get(`${model}|${queries[row]}|${columns[column]}`)?.value ?? null,
        marked: (row, column) => cells.get(`tuned|${queries[row]}|${columns[column]}`)?.relevant === true,
        words: (model, row, column) => `${name(queries[row])} (${report.shortId(Number(queries[row]))}) × ${name(columns[column])} (${report.shortId(Number(columns[column]))}): ` +
          number(cells.get(`${model}|${queries[row]}|${columns[column]}`)?.value),
      }));
    }
    return parts.length ? parts : null;
  }

  function examples(app) {
    const { report } = app;
    const rows = evidence(report, "neighbors");
    if (!rows.length) return null;
    const queries = [...new Set(rows.map((row) => row.group))];
    const of = (model, query) => rows.filter((row) => row.model === model && row.group === query).sort((left, right) => left.position - right.position);
    const strip = (model, query) => element("ol", { class: "strip" }, of(model, query).map((row) => element("li", {},
      element("button", {
        type: "button", class: row.relevant ? "right" : "wrong", "data-note": row.other, on: { click: () => app.open(Number(row.other)) },
        title: `${report.label(Number(row.other))}, similarity ${number(row.value, 2)}`,
        "aria-label": `${row.position}: ${report.label(Number(row.other))}, ${row.relevant ? "relevant" : "not relevant"}, similarity ${number(row.value, 2)}`,
      }, row.relevant ? "✓" : "✗", element("span", {}, number(row.value, 2))))));
    return [
      element("p", { class: "reading" }, "Searches chosen by chance, each with its ten nearest held-out notes, the nearest at the left: ✓ shares a specialty with the note that searches, ✗ does not. " +
        "Good: more ✓ in the row “after”. Every box opens its note."),
      element("div", { class: "examples" }, queries.map((query) => element("article", {},
        page.tables.noteButton(app, Number(query)),
        ...MODELS.map(([model, name]) => element("div", { class: "row" }, element("span", { class: "name" }, name.toLowerCase()), strip(model, query)))))),
    ];
  }

  page.section({ id: "distributions", title: "Distributions", after: "confusions", show: distributions });
  page.section({ id: "heatmaps", title: "Heatmaps", after: "distributions", show: heatmaps });
  page.section({ id: "examples", title: "Example searches", after: "heatmaps", show: examples });
})((globalThis.medembedPage ??= {}));
