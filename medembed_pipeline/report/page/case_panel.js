/** The opened case: its picture, its note, what every arm says of it, and what note and picture add. */
(function (page) {
  "use strict";
  const { element, svg, refill, number, signed, isNumber, words, capital, shortened } = page.base;
  const { table } = page.tables;

  /** A share from 0 to 1 as a bar; from -1 to 1 as one to the left or right of the middle. */
  function bar(value, kind, both = false) {
    const wide = Math.min(1, Math.abs(value)) * (both ? 50 : 100);
    const from = both ? (value < 0 ? 50 - wide : 50) : 0;
    return svg("svg", { class: `probability ${kind}`, viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
      svg("rect", { class: "track", width: 100, height: 6 }), svg("rect", { class: "share", x: from, width: wide, height: 6 }));
  }

  class CasePanel {
    constructor(app, cases, root) {
      this.app = app;
      this.cases = cases;
      this.root = root;
      this.at = -1;
      this.returnTo = null;
      root.addEventListener("keydown", (event) => { if (event.key === "Escape") app.closeCase(); });
      app.store.listen((state, changed) => { if (changed.has("case")) this.show(state.case); });
      if (app.store.state.case) this.show(app.store.state.case);
    }

    show(id) {
      const focused = document.activeElement;
      if (this.at < 0 && !this.root.contains(focused)) this.returnTo = focused;
      this.at = this.cases.position.get(id) ?? -1;
      this.root.hidden = !id;
      document.body.classList.toggle("with-case", Boolean(id));
      if (!id) {
        if (this.returnTo?.isConnected) this.returnTo.focus({ preventScroll: true });
        return;
      }
      if (this.at < 0) refill(this.root, this.closer(), element("p", {}, `There is no case ${shortened(id, 40)} in this report.`));
      else this.draw();
      this.root.scrollTop = 0;
      this.root.querySelector("h2")?.focus({ preventScroll: true });
    }

    closer() {
      return element("button", { type: "button", class: "close", "aria-label": "Close the case", on: { click: () => this.app.closeCase() } }, "✕");
    }

    draw() {
      const { at, cases } = this;
      refill(this.root,
        element("header", {}, element("h2", { tabindex: -1 }, `Case ${cases.shortId(at)}: ${cases.level(at)}`), this.closer()),
        this.facts(), this.picture(), this.text(), this.arms(), this.parts());
    }

    facts() {
      const { given } = this.cases;
      const { at } = this;
      const pair = (name, value) => (value === null || value === "" ? [] : [element("dt", {}, name), element("dd", {}, value)]);
      const about = { test: "test: held out", validation: "validation: it chose arms and temperatures", train: "train: the arms have learned from it, so that what they say of it is too good" };
      return element("dl", { class: "facts" },
        ...pair("Case", given.id[at]), ...pair("True level", this.cases.level(at)), ...pair("Split", about[given.split[at]] ?? given.split[at]),
        ...pair("Source", given.source[at]), ...pair("View", given.view[at]),
        ...pair("Age", isNumber(given.age[at]) ? String(given.age[at]) : ""), ...pair("Sex", given.sex[at]));
    }

    picture() {
      const { at, cases } = this;
      const { given } = cases;
      const picture = this.app.report.payload.pictures?.[given.image[at]];
      const why = !given.has_picture[at] ? "This case has no picture."
        : given.note === null ? "This report was made without pictures (report.note_text = none)."
          : "Its picture is not in this page, which holds those of the first cases alone.";
      return element("section", {}, element("h3", {}, "Picture"), picture
        ? element("img", { class: "case-picture", src: picture, alt: `Picture of case ${cases.shortId(at)}, downscaled` })
        : element("p", { class: "reading" }, why));
    }

    /** A row per arm that sees the case, a bar per level. */
    arms() {
      const { at, cases, app } = this;
      const fact = (name) => app.report.fact("modality_ledger", name);
      const about = { [fact("fusion")]: "best fusion", [fact("single")]: "best single arm" };
      const rows = cases.names.filter((name) => cases.sees(name, at));
      const truth = cases.given.level[at];
      return element("section", {}, element("h3", {}, "What each arm says"),
        element("p", { class: "reading" }, "Probability of each level, calibrated. ✓ and ✗ stand at the likeliest: right, wrong."),
        table([
          { name: "Arm", cell: (name) => element("span", {}, capital(words(name)), about[name] ? element("span", { class: "range" }, about[name]) : null) },
          ...cases.levels.map((level, place) => ({
            name: place === truth ? `${level} (true)` : level, numeric: true,
            cell: (name) => {
              const { said, level: likeliest } = cases.answer(name, at);
              const mark = place !== likeliest ? "" : place === truth ? " ✓" : " ✗";
              return element("span", { class: mark ? "likeliest" : null }, `${number(said[place], 2)}${mark}`, bar(said[place], place === truth ? "right" : "other"));
            },
          })),
        ], rows, { label: "What each arm says of this case", empty: "No arm sees this case." }));
    }

    /** What the probability of each fusion's answer owes to the note, and to the picture. */
    parts() {
      const { at, cases } = this;
      const rows = cases.names.filter((name) => cases.answer(name, at)?.neither !== null && cases.sees(name, at));
      if (!rows.length) {
        const lacks = [["has_note", "note"], ["has_picture", "picture"]].filter(([name]) => !cases.given[name][at]).map(([, word]) => word);
        return lacks.length ? element("p", { class: "reading" }, `No fusion sees this case: it has no ${lacks.join(" and no ")}.`) : null;
      }
      const answer = (name) => cases.answer(name, at);
      const adds = (value) => element("span", {}, signed(value, 2), bar(value, value < 0 ? "less" : "more", true));
      return element("section", {}, element("h3", {}, "What note and picture add"),
        element("p", { class: "reading" }, "The probability of the arm's answer, less what is left of it when the mean of the training cases stands in place of " +
          "the note, or of the picture. The two need not sum to the whole: where either would do, both add little; where both are needed, each adds much."),
        table([
          {
            name: "Arm and its answer",
            cell: (name) => element("span", {}, capital(words(name)),
              element("span", { class: "range" }, `${cases.levels[answer(name).level]} ${number(answer(name).said[answer(name).level], 2)}`)),
          },
          { name: "Note adds", numeric: true, cell: (name) => adds(answer(name).noteAdds) },
          { name: "Picture adds", numeric: true, cell: (name) => adds(answer(name).pictureAdds) },
          { name: "With neither", numeric: true, cell: (name) => number(answer(name).neither, 2) },
        ], rows, { label: "What note and picture add to each answer" }));
    }

    text() {
      const { at, cases } = this;
      const { note, has_note: noted } = cases.given;
      return element("section", {}, element("h3", {}, "Note"), !noted[at] ? element("p", { class: "reading" }, "This case has no note.")
        : note === null ? element("p", { class: "reading" }, "This report was made without the notes' text (report.note_text = none).")
          : element("div", { class: "text", dir: "auto" }, note[at]));
    }
  }

  page.casePanel = { CasePanel };
})((globalThis.medembedPage ??= {}));
