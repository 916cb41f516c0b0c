/** From note and picture to a triage level: what each arm reaches, what the picture is worth, and what tells the level by itself. */
(function (page) {
  "use strict";
  const { element, number, signed, percent, count, isNumber, words, capital, plural, interval } = page.base;
  const { specified } = page.charts;
  const { table } = page.tables;

  const FIGURES = [["auc", "AUC"], ["accuracy", "Accuracy"], ["weighted_f1", "Weighted F1"], ["macro_f1", "Macro-F1"], ["kappa", "Kappa"],
    ["under_triage", "Under-triage"], ["calibration_error", "Calibration"]];
  const VARIANTS = {
    as_it_is: "", emap: "adding up alone", shuffled_note: "others' notes", shuffled_picture: "others' pictures",
    blank_note: "no note", blank_picture: "no picture",
  };
  const INPUTS = {
    words: "Words of the note (TF-IDF)", numbers: "Numbers in the note", diagnosis_words_masked: "Words, none of a disease",
    picture_words_masked: "Words, none of a picture", source: "Source alone", view: "View alone", border_only: "Picture's border alone",
    centre_blacked_out: "Picture, centre blacked out", whole_picture_small: "Picture, as small", source_left_out: "Source left out",
  };

  const titleOf = (name) => FIGURES.find(([own]) => own === name)?.[1] ?? words(name);
  const valued = (row) => (row ? `${number(row.value)}${isNumber(row.ci_low) ? ` (${interval(row.ci_low, row.ci_high)})` : ""}` : "–");
  const changed = (row) => (row ? `${signed(row.value)}${isNumber(row.ci_low) ? ` (${signed(row.ci_low)} to ${signed(row.ci_high)})` : ""}` : "–");

  function arms(rows) {
    const found = new Map(rows.filter((row) => row.scope_kind === "all").map((row) => [`${row.arm}|${row.figure}`, row]));
    const names = [...new Set(rows.map((row) => row.arm))];
    const of = (arm, name) => found.get(`${arm}|${name}`);
    return table([
      { name: "Arm", cell: (arm) => capital(words(arm)), by: (arm) => arm },
      ...FIGURES.filter(([name]) => names.some((arm) => of(arm, name))).map(([name, title]) => ({
        name: title, numeric: true, by: (arm) => of(arm, name)?.value ?? null,
        cell: (arm) => element("span", { title: valued(of(arm, name)) }, number(of(arm, name)?.value)),
      })),
      { name: "Cases", numeric: true, cell: (arm) => count(of(arm, "accuracy")?.n) },
    ], names, { label: "The arms on held-out cases", first: 10 });
  }

  function ledger(rows, figureName, single) {
    const found = new Map();
    for (const row of rows) {
      if (row.figure !== figureName) continue;
      const name = `${row.arm}|${row.variant}`;
      if (!found.has(name)) found.set(name, { arm: row.arm, variant: row.variant });
      found.get(name)[row.over ?? "value"] = row;
    }
    return table([
      { name: "Arm", cell: (one) => `${capital(words(one.arm))}${VARIANTS[one.variant] ? `, ${VARIANTS[one.variant]}` : ""}`, by: (one) => `${one.arm} ${one.variant}` },
      { name: titleOf(figureName), numeric: true, cell: (one) => valued(one.value), by: (one) => one.value?.value ?? null },
      { name: `Over the ${single} alone`, numeric: true, cell: (one) => changed(one.best_single), by: (one) => one.best_single?.value ?? null },
      { name: "Over points", numeric: true, about: "The arm points, in which note and picture add up by how it is made", cell: (one) => changed(one.points), by: (one) => one.points?.value ?? null },
      { name: "Over itself as it is", numeric: true, cell: (one) => changed(one.as_it_is), by: (one) => one.as_it_is?.value ?? null },
    ], [...found.values()], { label: "What a partner is worth", first: 30 });
  }

  function shortcuts(rows, figureName) {
    return table([
      { name: "What is seen", cell: (row) => `${INPUTS[row.input] ?? words(row.input)}${row.scope === "all" ? "" : `: ${row.scope}`}`, by: (row) => row.input },
      { name: titleOf(figureName), numeric: true, cell: valued, by: (row) => row.value },
      { name: "Levels shuffled", numeric: true, cell: (row) => (isNumber(row.floor) ? `${number(row.floor)} (${interval(row.floor_low, row.floor_high)})` : "–"), by: (row) => row.floor },
      { name: "Beside", numeric: true, about: "The words for masked words, else the compared arm", cell: (row) => number(row.reference), by: (row) => row.reference },
      { name: "Share", numeric: true, about: "Of what stands beside it, above shuffled levels", cell: (row) => (isNumber(row.share) ? percent(row.share) : "–"), by: (row) => row.share },
      { name: "Cases", numeric: true, cell: (row) => count(row.n), by: (row) => row.n },
    ], rows.filter((row) => row.figure === figureName), { label: "What tells the level by itself", first: 14 });
  }

  function slices(rows, figureName, shown) {
    const found = new Map();
    for (const row of rows) {
      if (row.scope_kind === "all" || !shown.includes(row.arm) || ![figureName, "under_triage"].includes(row.figure)) continue;
      const name = `${row.scope_kind}|${row.scope}`;
      if (!found.has(name)) found.set(name, { kind: row.scope_kind.replace("slice:", ""), scope: row.scope });
      found.get(name)[`${row.arm}|${row.figure}`] = row;
    }
    if (!found.size) return null;
    const low = shown.at(-1);
    return table([
      { name: "Slice", cell: (one) => `${capital(words(one.kind))}: ${one.scope}`, by: (one) => `${one.kind} ${one.scope}` },
      ...shown.map((arm) => ({ name: `${titleOf(figureName)}, ${words(arm)}`, numeric: true, cell: (one) => valued(one[`${arm}|${figureName}`]), by: (one) => one[`${arm}|${figureName}`]?.value ?? null })),
      { name: `Under-triage, ${words(low)}`, numeric: true, cell: (one) => valued(one[`${low}|under_triage`]), by: (one) => one[`${low}|under_triage`]?.value ?? null },
      { name: "Cases", numeric: true, cell: (one) => count(Object.values(one).find((row) => row?.n)?.n) },
    ], [...found.values()], { label: "The arms by slice", first: 10 });
  }

  function triage(app) {
    const { report } = app;
    const rows = report.table("triage_metrics") ?? [];
    const of = (name) => report.fact("triage_metrics", name);
    if (!rows.length) {
      const why = of("why_empty");
      return why && of("cases") ? [element("p", { class: "reading" }, `There is no triage model: ${why}.`)] : null;
    }
    const compared = (name) => report.fact("modality_ledger", name);
    const [figureName, single, fusion] = [compared("figure"), compared("single"), compared("fusion")];
    const shown = [single, fusion].filter(Boolean);
    const lacking = (of("answered") ?? []).filter((one) => one.lacking).map((one) => `${words(one.arm)} ${count(one.lacking)}`);
    const rules = report.table("triage_verdict") ?? [];
    return [
      element("p", { class: "summary" }, element("strong", {}, report.fact("triage_verdict", "sentence") ?? "")),
      element("p", { class: "reading" }, `${plural(of("held_out_cases"), "held-out case")} of ${plural(of("held_out_patients"), "patient")}; levels: ` +
        `${(of("levels") ?? []).map((one) => `${one.level} (${count(one.cases)})`).join(", ")}. Heads on ${of("tuned") === "adapters" ? "vectors of tuned encoders" : "frozen vectors"}, all tuned with the same effort; intervals are by patient.` +
        (lacking.length ? ` Cases that an arm cannot see: ${lacking.join(", ")}.` : "") +
        (of("absent") ?? []).map((one) => ` Not made: ${words(one.arm)} (${one.why}).`).join("")),
      specified(app, "triage_metrics", "arms"), arms(rows),
      element("h3", {}, "What the picture is worth"),
      element("p", { class: "reading" }, `On the ${plural(compared("complete_cases"), "held-out case")} that every arm can see. The best arm of one part on validation cases is the ${words(single)}.`),
      specified(app, "modality_ledger", "ledger"),
      ledger(report.table("modality_ledger") ?? [], figureName, words(single)),
      specified(app, "shortcut_meter", "shortcuts"),
      shortcuts(report.table("shortcut_meter") ?? [], figureName),
      specified(app, "triage_metrics", "reliability"),
      slices(rows, figureName, shown),
      rules.length ? table([
        { name: "Rule", cell: (row) => capital(words(row.rule)) },
        { name: "Holds", cell: (row) => (row.passed === null ? (row.kind === "information" ? "for information" : "not judged") : row.passed ? "yes" : "no") },
        { name: "Reason", cell: (row) => row.reason },
      ], rules, { label: "The triage verdict", first: 14 }) : null,
    ];
  }

  function cases(app) {
    if (!app.report.payload.cases) return null;
    app.cases = new page.casesView.CasesView(app);
    return app.cases.root;
  }

  page.section({ id: "triage", title: "From note and picture to a level", short: "Triage", after: "image-text", show: triage });
  page.section({ id: "cases", title: "The cases", short: "Cases", after: "triage", show: cases });
})((globalThis.medembedPage ??= {}));
