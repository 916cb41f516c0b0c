/** The opened note: its text, what is known of it, and its neighbours before and after. */
(function (page) {
  "use strict";
  const { element, refill, number, signed, count, percent, shortened } = page.base;

  const FIRST = 5;

  /** Neighbours of one model, as {at, similarity, relevant}. */
  function neighborsOf(report, at, model, heldOut) {
    const row = heldOut ? report.ledgerRow(at) : null;
    if (!row) {
      return report.neighbors(model, at).map((near) => ({ ...near, relevant: report.relevant(at, near.at) }));
    }
    return row[`neighbors_${model}`].map((near, rank) => ({
      at: near, similarity: row[`similarity_${model}`][rank], relevant: row[`relevant_${model}`][rank],
    }));
  }

  class Panel {
    constructor(app, root) {
      this.app = app;
      this.report = app.report;
      this.root = root;
      this.at = -1;
      this.heldOut = true;
      this.shown = FIRST;
      this.returnTo = null;
      root.addEventListener("keydown", (event) => { if (event.key === "Escape") app.close(); });
      app.store.listen((state, changed) => {
        if (changed.has("note")) this.show(this.report.position.get(state.note) ?? -1, state.note);
        else if (changed.has("map") || changed.has("find")) this.draw();
      });
      if (app.store.state.note) this.show(this.report.position.get(app.store.state.note) ?? -1, app.store.state.note);
    }

    show(at, id) {
      const focused = document.activeElement;
      if (this.at < 0 && !this.root.contains(focused)) this.returnTo = focused;
      this.at = at;
      this.shown = FIRST;
      this.root.hidden = !id;
      document.body.classList.toggle("with-note", Boolean(id));
      if (id && at < 0) {
        refill(this.root, this.closer(), element("p", {}, `There is no note ${shortened(id, 40)} in this report.`));
      } else if (at >= 0) {
        this.draw();
        this.root.scrollTop = 0;
        this.root.querySelector("h2")?.focus({ preventScroll: true });
        this.report.readTexts().then(() => { if (this.at === at) this.draw(); }, (error) => {
          this.problem = error.message;
          if (this.at === at) this.draw();
        });
      } else if (this.returnTo?.isConnected) this.returnTo.focus({ preventScroll: true });
    }

    closer() {
      return element("button", { type: "button", class: "close", "aria-label": "Close the note", on: { click: () => this.app.close() } }, "✕");
    }

    draw() {
      const { at, report, root } = this;
      if (at < 0 || root.hidden) return;
      const inHeading = document.activeElement?.tagName === "H2" && root.contains(document.activeElement);
      refill(root,
        element("header", {}, element("h2", { tabindex: -1 }, report.label(at)), this.closer()),
        this.facts(), this.app.mapview?.selection.noteButton(at), this.warning(), this.neighborhood(), this.text());
      if (inHeading) root.querySelector("h2").focus({ preventScroll: true });
    }

    facts() {
      const { at, report } = this;
      const row = report.ledgerRow(at);
      const review = report.labelRow(at);
      const { distance, overlap, floor } = report.displacement;
      const pair = (name, value) => (value ? [element("dt", {}, name), element("dd", {}, value)] : []);
      const moved = distance && Number.isFinite(distance[at])
        ? `${number(distance[at], 2)} of at most 2${floor !== null && distance[at] <= floor ? " (no more than an unchanged copy)" : ""}` : "";
      const looks = {
        looks_wrong: `looks wrong${review?.suggested ? `: reads like ${review.suggested}` : ""}`,
        several_specialties: "belongs to several specialties", agrees: "agrees with the text",
      };
      return element("dl", { class: "facts" },
        ...pair("Note", report.notes.id[at]),
        ...pair("Specialties", report.specialties(at).join(", ") || "none"),
        ...pair("Document types", report.documentTypes(at).join(", ")),
        ...report.slices.flatMap((slice) => pair(page.base.capital(page.base.words(slice.name)), report.sliceValues(slice, at).join(", "))),
        ...pair("Split", `${report.split(at)}${report.notes.scored[at] ? ", scored" : ""}`),
        ...pair("Source", report.notes.source[at]),
        ...pair("Length", report.notes.words ? `${count(report.notes.words[at])} words` : ""),
        ...pair("Precision at 10", row ? `${number(row.precision_baseline, 1)} before, ${number(row.precision_tuned, 1)} after (${signed(row.change, 1)})` : ""),
        ...pair("Moved", moved),
        ...pair("Neighbours kept", overlap ? percent(overlap[at]) : ""),
        ...pair("Its label", review ? `${looks[review.judgement] ?? review.judgement}${page.base.isNumber(review.label_quality) ? ` (label quality ${number(review.label_quality, 2)})` : ""}` : ""));
    }

    /** Says so when the note's place on the map is not to be trusted. */
    warning() {
      const viewer = this.app.mapview?.viewer;
      if (!viewer?.map) return null;
      const models = ["baseline", "tuned"].map((model) => [model, viewer.trust(this.at, model)])
        .filter(([, value]) => value !== null && value < page.schemes.LEAST_TRUST);
      if (!models.length) return null;
      const name = `${page.mapview.METHODS[viewer.map.method] ?? viewer.map.method}, ${viewer.map.dimensions}-D`;
      return element("p", { class: "warning", role: "note" }, `⚠ On this map (${name}) the note is placed untrustworthily: its neighbours on the map ` +
        `are not its neighbours in the full space (trust ${models.map(([model, value]) => `${number(value, 2)} ${model}`).join(", ")}). ` +
        "Believe the lists below, not the picture.");
    }

    /** The neighbours that the map ties to the opened note: those of the list. */
    ties(model) {
      return this.at < 0 ? [] : neighborsOf(this.report, this.at, model, this.heldOut).slice(0, FIRST);
    }

    neighborhood() {
      const { at, report } = this;
      const row = report.ledgerRow(at);
      const heldOut = this.heldOut && Boolean(row);
      const before = neighborsOf(report, at, "baseline", heldOut);
      const after = neighborsOf(report, at, "tuned", heldOut);
      if (!before.length && !after.length) return null;
      const pool = (name, value) => element("button", {
        type: "button", "aria-pressed": String(heldOut === value),
        on: { click: () => { this.heldOut = value; this.draw(); this.app.mapview?.viewer.redraw(); } },
      }, name);
      const more = Math.max(before.length, after.length) > this.shown;
      return element("section", { class: "neighborhood" },
        element("h3", {}, "Its nearest notes, before and after"),
        row ? element("p", { class: "choice" }, "among ", pool("held-out notes", true), pool("all notes", false))
          : element("p", { class: "reading" }, "Among all notes."),
        element("p", { class: "reading" }, report.specialties(at).length
          ? "✓ shares a specialty with this note, ✗ does not. New ones are marked with +, those that were left with −."
          : "This note has no specialty, so no neighbour can be called right or wrong. New ones are marked with +, those that were left with −."),
        element("div", { class: "columns" },
          this.list("Before", report.models.baseline, before, after, "−", "baseline", heldOut),
          this.list("After", report.models.tuned, after, before, "+", "tuned", heldOut)),
        more ? element("button", { type: "button", on: { click: () => { this.shown = 10; this.draw(); } } }, "Show all ten") : null);
    }

    list(title, name, near, others, sign, model, heldOut) {
      const { report } = this;
      const judged = report.specialties(this.at).length > 0;
      const elsewhere = new Set(others.map((other) => other.at));
      return element("div", {}, element("h4", {}, title, element("span", { class: "model" }, ` ${name}`)),
        element("ol", {}, near.slice(0, this.shown).map((one) => {
          const mark = !judged ? "" : one.relevant ? "right" : "wrong";
          const text = report.texts?.[one.at];
          return element("li", { class: mark },
            element("button", { type: "button", "data-note": one.at, on: { click: () => this.app.open(one.at) } },
              element("span", { class: "mark", "aria-label": mark ? (one.relevant ? "relevant" : "not relevant") : null }, judged ? (one.relevant ? "✓" : "✗") : "·"),
              element("span", { class: "what" }, element("strong", {}, report.label(one.at)),
                element("span", { class: "words" }, text ? shortened(text, 80) : `note ${report.shortId(one.at)}`)),
              element("span", { class: "similarity", title: "cosine similarity" }, number(one.similarity, 2),
                element("span", { class: "turn", title: elsewhere.has(one.at) ? null : sign === "+" ? "new" : "left" }, elsewhere.has(one.at) ? "" : ` ${sign}`))));
        })), this.app.mapview?.selection.nearButton(this.at, model, heldOut, near));
    }

    text() {
      const { report, at } = this;
      const heading = element("h3", {}, "Text");
      if (!report.hasTexts) return element("section", {}, heading, element("p", { class: "reading" }, "This report was made without the notes' text (report.note_text = none)."));
      if (this.problem && !report.texts) return element("section", {}, heading, element("p", { class: "warning" }, this.problem));
      if (!report.texts) return element("section", {}, heading, element("p", { class: "reading" }, "Reading …"));
      const query = this.app.store.state.find;
      return element("section", {}, heading, element("div", { class: "text", dir: "auto" }, ...page.search.marked(report.texts[at] ?? "", query)));
    }
  }

  page.panel = { Panel, neighborsOf };
})((globalThis.medembedPage ??= {}));
