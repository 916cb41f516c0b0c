/** Pictures against prompts: what the margins are worth, the controls, and the pictures behind them. */
(function (page) {
  "use strict";
  const { element, number, signed, count, isNumber, words, capital, plural } = page.base;
  const { specified } = page.charts;
  const { table, ranged } = page.tables;

  const ENDS = { highest: "Highest margins", middle: "Least certain", lowest: "Lowest margins" };
  const ARMS = {
    as_written: "as written",
    paraphrased: "control: in other words",
    sides_swapped: "control: sides swapped",
    shuffled: "control: prompts shuffled",
  };

  const FIGURES = { auc: "AUC", accuracy: "accuracy", auc_of_mean_margin: "AUC of the mean margin" };

  function figures(rows) {
    const found = new Map();
    for (const row of rows) {
      if (!(row.figure in FIGURES)) continue;
      if (row.figure !== "auc" && row.arm !== "as_written") continue;
      const key = `${row.arm}|${row.pair_id ?? ""}|${row.figure}`;
      if (!found.has(key)) found.set(key, { arm: row.arm, pair: row.pair_id, figure: row.figure });
      found.get(key)[row.model] = row;
    }
    return [...found.values()].filter((one) => one.arm === "as_written" || !one.pair);
  }

  function figureTable(rows) {
    const all = figures(rows);
    const both = all.some((one) => one.finetuned);
    const model = (name, title) => ({ name: title, numeric: true, cell: (one) => ranged(one[name], number), by: (one) => one[name]?.value ?? null });
    return table([
      { name: "Question", cell: (one) => (one.pair ? capital(words(one.pair)) : "All pairs"), by: (one) => one.pair ?? "" },
      { name: "Figure", cell: (one) => FIGURES[one.figure], by: (one) => one.figure },
      { name: "Prompts", cell: (one) => ARMS[one.arm] ?? words(one.arm), by: (one) => one.arm },
      ...(both ? [model("base", "Before"), model("finetuned", "After"),
        { name: "Change", numeric: true, cell: (one) => ranged(one.difference, signed), by: (one) => one.difference?.value ?? null }] : [model("base", "Value")]),
      { name: "Pictures", numeric: true, cell: (one) => count((one.finetuned ?? one.base)?.n) },
      { name: "Patients", numeric: true, cell: (one) => count((one.finetuned ?? one.base)?.groups) },
    ], all, { label: "Pictures against prompts", first: 14 });
  }

  function likeness(rows) {
    const model = rows.some((row) => row.model === "finetuned") ? "finetuned" : "base";
    const value = (figure) => rows.find((row) => row.figure === figure && row.model === model && row.arm === "as_written" && !row.pair_id)?.value;
    const said = [
      isNumber(value("silhouette")) ? `silhouette of the sides over different prompts ${number(value("silhouette"))} (written down once per picture, as elsewhere: ${number(value("silhouette_repeated"))})` : "",
      isNumber(value("prompt_similarity_mean")) ? `mean cosine of two prompts ${number(value("prompt_similarity_mean"))}` : "",
      isNumber(value("picture_similarity_mean")) ? `of two pictures ${number(value("picture_similarity_mean"))}` : "",
    ].filter(Boolean).join(", ");
    return said ? element("p", { class: "reading" }, `${capital(said)}.`) : null;
  }

  function strip(rows, pictures) {
    return element("div", { class: "picture-strip" }, rows.map((row) => element("figure", {},
      element("img", { src: pictures[row.image_id], alt: `Picture ${row.image_id.slice(0, 8)}, margin ${signed(row.margin)}`, loading: "lazy" }),
      element("figcaption", {}, signed(row.margin), element("br"), row.side ? words(row.side) : "no label"))));
  }

  function examples(report) {
    const pictures = report.payload.pictures ?? {};
    const rows = (report.table("image_text_examples") ?? []).filter((row) => pictures[row.image_id]);
    if (!rows.length) return null;
    const pairs = new Map((report.table("prompt_pairs") ?? []).map((row) => [row.pair_id, row]));
    const place = element("div", {});
    const names = [...new Set(rows.map((row) => row.pair_id))];
    const show = (name) => {
      const pair = pairs.get(name);
      place.replaceChildren(
        ...(pair ? [element("p", { class: "reading" }, `${capital(pair.positive_side)}: “${pair.positive}” ${capital(pair.negative_side)}: “${pair.negative}” Above 0 a picture is nearer to the first.`)] : []),
        ...Object.keys(ENDS).map((end) => element("div", {}, element("h4", { class: "strip-title" }, ENDS[end]),
          strip(rows.filter((row) => row.pair_id === name && row.end === end), pictures))));
    };
    const choice = element("select", { "aria-label": "Pair of prompts", on: { change: (event) => show(event.target.value) } },
      names.map((name) => element("option", { value: name }, capital(words(name)))));
    show(names[0]);
    return [element("h3", {}, "Margins with their pictures"), choice, place];
  }

  function imageText(app) {
    const { report } = app;
    const rows = report.table("image_text_metrics") ?? [];
    if (!rows.length) return null;
    const of = (name) => report.fact("image_text_metrics", name);
    const absent = of("absent") ?? [];
    const label = of("label");
    return [
      element("p", { class: "summary" },
        element("strong", {}, `${plural(of("pictures"), "held-out picture")} of ${plural(of("patients"), "patient")}`), ".",
        label ? ` The projection is ${label}: trained on ${count(of("trained_on"))} pictures of the train split and their readings.` : ""),
      element("p", { class: "reading" }, "Each picture is compared with two prompts that say the opposite; the margin is the difference of the two cosines. " +
        "Every picture and every prompt counts once. Intervals are by patient."),
      specified(app, "image_text_metrics", "auc"),
      figureTable(rows),
      likeness(rows),
      ...absent.map((one) => element("p", { class: "reading" }, `${capital(words(one.pair_id))}: no figure by labels (${one.why}).`)),
      ...(examples(report) ?? []),
    ];
  }

  page.section({ id: "image-text", title: "Pictures against prompts", short: "Pictures", after: "tasks", show: imageText });
})((globalThis.medembedPage ??= {}));
