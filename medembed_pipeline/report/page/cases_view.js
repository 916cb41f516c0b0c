/** The map of the cases: controls, legend, and the held-out cases as a list. */
(function (page) {
  "use strict";
  const { element, number, signed, percent, count, plural, words, capital, announce } = page.base;
  const { symbol } = page.palette;

  const option = (value, name) => element("option", { value }, name);
  const labelled = (name, control) => element("label", {}, element("span", {}, name), control);

  class CasesView {
    constructor(app) {
      this.app = app;
      this.cases = new page.cases.Cases(app.report);
      this.lit = "";
      this.heldOutAlone = false;
      this.build();
      this.viewer = new page.viewer.Viewer(this.stage, this.cases);
      page.gestures.listen(this.stage, this.viewer, {
        view: (view) => this.look(view),
        point: (at, x, y) => this.point(at, x, y),
        open: (at) => app.openCase(this.cases.given.id[at]),
        toggle: (at) => app.openCase(this.cases.given.id[at]),
        step: (by) => this.step(by),
        close: () => app.closeCase(),
        tool: () => "move",
        mix: () => {},
        inView: () => {},
      });
      this.panel = new page.casePanel.CasePanel(app, this.cases, document.getElementById("case"));
      app.store.listen((state, changed) => this.apply(state, changed));
      this.apply(app.store.state, new Set(["case_arm", "case_colour", "case"]));
    }

    build() {
      const { app, cases } = this;
      this.arm = element("select", { id: "case-arm", on: { change: (event) => app.store.set({ case_arm: event.target.value }) } },
        cases.names.map((name) => option(name, `${capital(words(name))}${name === cases.best ? " (compared)" : ""}`)));
      this.colour = element("select", { id: "case-colour", on: { change: (event) => app.store.set({ case_colour: event.target.value }) } },
        page.cases.offered(cases).map(([key, name]) => option(key, name)));
      this.shown = element("input", {
        type: "checkbox", id: "case-held-out", on: { change: (event) => { this.heldOutAlone = event.target.checked; this.light(); } },
      });
      this.tip = element("div", { class: "tip", hidden: true });
      const zoom = (sign, name, change) => element("button", { type: "button", "aria-label": name, title: name, on: { click: change } }, sign);
      this.stage = element("div", {
        class: "stage", tabindex: 0, role: "application", "aria-label": "Map of the cases. Arrow keys shift it, plus and minus zoom, 0 resets, " +
          "n and p walk through the cases, the surest mistakes on held-out cases first, Enter opens one, Escape closes it.",
      }, this.tip, element("div", { class: "zoom" },
        zoom("+", "Zoom in", () => this.look(page.camera.zoomed(this.viewer.view, 1.3))),
        zoom("−", "Zoom out", () => this.look(page.camera.zoomed(this.viewer.view, 1 / 1.3))),
        zoom("⟲", "Reset the view", () => this.look(page.camera.start()))));
      this.legend = element("div", { class: "legend", role: "group", "aria-label": "Legend: choose an entry to show it alone" });
      this.about = element("p", { class: "reading" });
      this.schemeAbout = element("p", { class: "reading" });
      this.list = element("div", {});
      const held = cases.given.id.filter((_, at) => cases.heldOut(at)).length;
      const cut = cases.given.total > cases.size ? ` Of ${count(cases.given.total)} cases the page holds ${count(cases.size)}, held-out ones first.` : "";
      this.root = element("div", {},
        element("p", { class: "reading" }, `${plural(cases.size, "case")}; the ${count(held)} held-out ones are large and bright. A click opens a case with its ` +
          `picture, its note, and what every arm says of it.${cut}`),
        element("div", { class: "controls" }, labelled("Arm", this.arm), labelled("Colour", this.colour),
          element("label", { class: "check" }, this.shown, element("span", {}, "Held-out cases alone"))),
        element("div", { class: "canvas-and-legend" },
          element("div", { class: "canvas" }, this.stage, element("p", { class: "hint" }, "Drag shifts, the wheel zooms once the map is clicked.")),
          element("div", { class: "side" }, this.legendTitle = element("h3", {}), this.schemeAbout, this.legend)),
        this.about, this.list);
    }

    /** The arm that is chosen, or the one that is compared. */
    chosen() {
      const { case_arm: name } = this.app.store.state;
      return this.cases.names.includes(name) ? name : this.cases.best;
    }

    apply(state, changed) {
      const arm = this.chosen();
      if (changed.has("case_arm")) {
        this.arm.value = arm;
        this.viewer.show({ key: arm, dimensions: 2, comparable: false });
        this.describe(arm);
        this.showList(arm);
      }
      if (changed.has("case_arm") || changed.has("case_colour")) {
        if (changed.has("case_colour")) this.lit = "";
        this.repaint();
      }
      if (changed.has("case")) this.viewer.opened = this.cases.position.get(state.case) ?? -1;
      this.viewer.redraw();
    }

    repaint() {
      const { case_colour: wanted } = this.app.store.state;
      this.colour.value = page.cases.offered(this.cases).some(([key]) => key === wanted) ? wanted : "level";
      this.viewer.paint(page.cases.scheme(this.cases, this.colour.value, this.chosen()));
      this.light();
    }

    /** Held-out cases bright, the others faint; cases that the arm cannot see are not there. */
    light() {
      const { cases, viewer } = this;
      const arm = this.chosen();
      viewer.lit = this.lit;
      viewer.only = (at) => cases.sees(arm, at) && (!this.heldOutAlone || cases.heldOut(at));
      viewer.selection = new Set(cases.given.id.map((_, at) => at).filter((at) => cases.heldOut(at)));
      viewer.light();
      this.drawLegend();
    }

    describe(arm) {
      const { cases } = this;
      const { spread } = cases.given.arms[arm];
      const unseen = cases.size - cases.arm(arm).of.length;
      const sees = cases.arm(arm).blank === null ? `of what the arm ${words(arm)} sees`
        : ["late_fusion", "points"].includes(arm) ? "of what note and picture say by themselves" : "of both vectors, each counted alike";
      this.about.textContent = `The two directions of largest spread ${sees}` +
        `${spread === null ? "" : `: ${percent(spread)} of it`}. Near cases look alike to the arm as far as these two tell; distances are no more than that.` +
        (unseen ? ` ${plural(unseen, "case")} ${unseen === 1 ? "lacks" : "lack"} what it needs to see, and ${unseen === 1 ? "is" : "are"} not on this map.` : "");
    }

    drawLegend() {
      const { viewer, cases } = this;
      const { scheme } = viewer;
      this.legendTitle.textContent = scheme.title;
      this.schemeAbout.textContent = scheme.reading;
      const [counts, held] = [scheme.entries.map(() => 0), scheme.entries.map(() => 0)];
      for (let at = 0; at < cases.size; at += 1) {
        if (!viewer.only(at)) continue;
        counts[scheme.of(at)] += 1;
        held[scheme.of(at)] += Number(cases.heldOut(at));
      }
      const focused = document.activeElement?.dataset?.caseEntry;
      this.legend.replaceChildren(...scheme.entries.map((entry, place) => ({ entry, all: counts[place], own: held[place] }))
        .filter(({ all }) => all > 0)
        .map(({ entry, all, own }) => element("button", {
          type: "button", class: "entry", "data-case-entry": entry.key, "aria-pressed": String(this.lit === entry.key),
          title: this.lit === entry.key ? "Show all cases again" : `Show ${entry.name} alone`,
          on: { click: () => { this.lit = this.lit === entry.key ? "" : entry.key; this.light(); } },
        }, symbol(entry), element("span", { class: "name" }, entry.name),
        element("span", { class: "number", title: "held out, of all" }, `${count(own)} of ${count(all)}`))));
      if (focused) this.legend.querySelector(`[data-case-entry="${CSS.escape(focused)}"]`)?.focus();
    }

    look(view) {
      this.viewer.view = view;
      this.viewer.redraw();
    }

    /** Name the case under the pointer. */
    point(at, x, y) {
      const { viewer, cases } = this;
      if (viewer.pointed !== at) {
        viewer.pointed = at;
        viewer.redraw();
      }
      this.stage.classList.toggle("on-note", at >= 0);
      this.tip.hidden = at < 0;
      if (at < 0) return;
      this.tip.replaceChildren(element("strong", {}, this.say(at)),
        element("span", { class: "id" }, `case ${cases.shortId(at)} · ${cases.given.split[at]}`));
      this.tip.style.left = `${Math.max(4, Math.min(x + 14, viewer.width - this.tip.offsetWidth - 4))}px`;
      const above = y + 18 + this.tip.offsetHeight > viewer.height;
      this.tip.style.top = `${above ? Math.max(4, y - this.tip.offsetHeight - 12) : y + 18}px`;
    }

    /** "urgent, said to be routine (0.71)" */
    say(at) {
      const { cases } = this;
      const answer = cases.answer(this.chosen(), at);
      return answer ? `${cases.level(at)}, said to be ${cases.levels[answer.level]} (${number(answer.said[answer.level], 2)})` : cases.level(at);
    }

    /** Cases that an arm sees: held-out ones first, of these the wrong ones, of these the surest. */
    ordered(arm) {
      const { cases } = this;
      return cases.once(`ordered ${arm}`, () => {
        const rank = (at) => {
          const answer = cases.answer(arm, at);
          return [Number(!cases.heldOut(at)), Number(answer.level === cases.given.level[at]), -answer.said[answer.level]];
        };
        return [...cases.arm(arm).of].map((at) => ({ at, rank: rank(at) }))
          .sort((left, right) => left.rank.map((value, place) => value - right.rank[place]).find(Boolean) ?? left.at - right.at)
          .map(({ at }) => at);
      });
    }

    /** Walk, by keyboard, through what the legend leaves. */
    step(by) {
      const { viewer, cases } = this;
      const lit = this.ordered(this.chosen()).filter((at) => viewer.passes(at));
      if (!lit.length) return;
      const here = lit.indexOf(viewer.pointed);
      const at = lit[here < 0 ? (by > 0 ? 0 : lit.length - 1) : (here + by + lit.length) % lit.length];
      const { x, y } = viewer.placeOf(at);
      this.point(at, x, y);
      announce(`${this.say(at)}, case ${cases.shortId(at)}. Enter opens it.`);
    }

    showList(arm) {
      const { app, cases } = this;
      const held = this.ordered(arm).filter((at) => cases.heldOut(at));
      const answer = (at) => cases.answer(arm, at);
      const fusion = cases.arm(arm).blank !== null;
      const wrong = held.filter((at) => answer(at).level !== cases.given.level[at]).length;
      this.list.replaceChildren(
        element("h3", {}, "Held-out cases, the surest mistakes first"),
        element("p", { class: "reading" }, `By the arm ${words(arm)}: ${count(wrong)} of ${count(held.length)} are wrong.`),
        page.tables.table([
          {
            name: "Case", by: (at) => cases.given.id[at],
            cell: (at) => element("button", { type: "button", class: "note", "data-case": at, title: "Open this case", on: { click: () => app.openCase(cases.given.id[at]) } },
              element("strong", {}, cases.shortId(at))),
          },
          { name: "Level", cell: (at) => cases.level(at), by: (at) => cases.given.level[at] },
          { name: "Answer", cell: (at) => `${answer(at).level === cases.given.level[at] ? "✓" : "✗"}\u00a0${cases.levels[answer(at).level]}`, by: (at) => answer(at).level },
          { name: "Its probability", numeric: true, cell: (at) => number(answer(at).said[answer(at).level], 2), by: (at) => answer(at).said[answer(at).level] },
          ...(fusion ? [
            { name: "Note adds", numeric: true, about: "Less what is left of it with the mean note", cell: (at) => signed(answer(at).noteAdds, 2), by: (at) => answer(at).noteAdds },
            { name: "Picture adds", numeric: true, about: "Less what is left of it with the mean picture", cell: (at) => signed(answer(at).pictureAdds, 2), by: (at) => answer(at).pictureAdds },
          ] : []),
        ], held, { label: "Held-out cases", first: 8, open: (at) => app.openCase(cases.given.id[at]) }));
    }
  }

  page.casesView = { CasesView };
})((globalThis.medembedPage ??= {}));
