/** The map's section: controls, legend, search box, and the words under the pointer. */
(function (page) {
  "use strict";
  const { element, number, count, plural, announce, wantsCalm, shortened } = page.base;
  const { symbol } = page.palette;

  const METHODS = {
    pca: "PCA", tsne: "t-SNE", umap: "UMAP", aligned_umap: "Aligned UMAP", joint_pca: "Joint PCA",
  };
  const ABOUT = {
    pca: "The directions of largest spread. Distances far apart are meaningful; much is hidden behind two or three directions.",
    tsne: "Keeps near notes near. Distances between clusters, and their sizes, mean nothing.",
    umap: "Keeps near notes near, and some of the larger picture. Distances between clusters mean little.",
    aligned_umap: "One UMAP over both models: what moves here mostly moved in truth, down to the noise floor.",
    joint_pca: "Both models in one PCA after turning one onto the other: motion is exact within the directions shown.",
  };

  const option = (value, name) => element("option", { value }, name);
  const labelled = (name, control, more = null) => element("label", {}, element("span", {}, name), control, more);

  /** The map to open with: one on which motion means something, flat. */
  function firstMap(maps) {
    const rank = (map) => (map.comparable ? 0 : 4) + (map.method.includes("umap") ? 0 : 2) + (map.dimensions === 2 ? 0 : 1);
    return [...maps].sort((left, right) => rank(left) - rank(right))[0];
  }

  class MapView {
    constructor(app) {
      this.app = app;
      this.report = app.report;
      this.build();
      this.viewer = new page.viewer.Viewer(this.stage, this.report);
      page.gestures.listen(this.stage, this.viewer, {
        view: (view) => this.look(view),
        point: (at, x, y) => this.point(at, x, y),
        open: (at) => app.open(at),
        step: (by) => this.step(by),
        mix: (by) => this.setMix(Math.max(0, Math.min(1, this.viewer.mix + by))),
        close: () => this.escape(),
        tool: () => this.selection.tool,
        enclose: (places, event) => this.selection.enclose(places, event),
        toggle: (at) => this.selection.toggle(at),
        inView: () => this.selection.takeView(),
      });
      document.addEventListener("keydown", (event) => {
        const mine = event.target === document.body || (this.root.contains(event.target) && event.target !== this.box);
        if (event.key === "Escape" && mine && !event.defaultPrevented) this.escape();
      });
      this.searches = 0;
      app.store.listen((state, changed) => this.apply(state, changed));
      const everything = new Set(["map", "colour", "t", "lit", "arrows", "view", "note", "find", "only", "select"]);
      this.apply(app.store.state, everything);
    }

    build() {
      const { app, report } = this;
      const maps = report.payload.maps;
      const change = (make) => ({ change: (event) => app.store.set(make(event.target)) });
      const methods = [...new Set(maps.map((map) => map.method))];
      this.method = element("select", { id: "method", on: change((at) => ({ map: this.nearestMap(at.value, this.chosen().dimensions).key })) },
        methods.map((method) => option(method, METHODS[method] ?? method)));
      this.dimensions = element("select", { id: "dimensions", on: change((at) => ({ map: this.nearestMap(this.chosen().method, Number(at.value)).key })) });
      this.colour = element("select", { id: "colour", on: change((at) => ({ colour: at.value, lit: "" })) },
        page.schemes.offered(report).map(([key, name]) => option(key, name)));
      this.only = element("select", { id: "only", on: change((at) => ({ only: at.value })) }, option("", "all notes"),
        report.slices.map((slice) => element("optgroup", { label: slice.name }, report.sliceChoices(slice)
          .map(({ key, name }) => option(key, `${slice.name}: ${name}`)))));
      this.arrows = element("input", { type: "checkbox", id: "arrows", on: change((at) => ({ arrows: at.checked })) });
      this.slider = element("input", {
        type: "range", id: "mix", min: 0, max: 1, step: 0.01, "aria-label": "From the baseline model to the tuned model",
        on: { input: (event) => this.setMix(Number(event.target.value)) },
      });
      this.play = element("button", { type: "button", class: "play", on: { click: () => this.run() } }, "Play");
      this.box = element("input", {
        type: "search", id: "find", placeholder: "words, \"a phrase\", an id, near:id", autocomplete: "off", spellcheck: "false",
        on: { input: () => this.typed() },
      });
      this.foundCount = element("p", { class: "found", role: "status" });
      this.foundList = element("ol", { class: "hits" });
      this.legend = element("div", { class: "legend", role: "group", "aria-label": "Legend: choose an entry to show it alone" });
      this.about = element("p", { class: "reading" });
      this.schemeAbout = element("p", { class: "reading" });
      this.tip = element("div", { class: "tip", hidden: true });
      this.stage = element("div", {
        class: "stage", tabindex: 0, role: "application", "aria-label":
          "Map of the notes. Arrow keys turn or shift it, plus and minus zoom, 0 resets, [ and ] move from baseline to tuned, " +
          "n and p walk through the notes that moved most, Enter opens one, Space selects one, v selects those in view, Escape clears the selection.",
      }, this.tip,
        element("div", { class: "zoom" },
          this.button("+", "Zoom in", () => this.look(page.camera.zoomed(this.viewer.view, 1.3))),
          this.button("−", "Zoom out", () => this.look(page.camera.zoomed(this.viewer.view, 1 / 1.3))),
          this.button("⟲", "Reset the view", () => this.look(page.camera.start()))));
      this.hint = element("p", { class: "hint" });
      this.selection = new page.selectionView.SelectionView(this);
      this.root = element("div", { class: "map" },
        element("div", { class: "controls" },
          labelled("Map", this.method), labelled("Dimensions", this.dimensions), labelled("Colour", this.colour),
          report.slices.length ? labelled("Show", this.only) : null,
          element("label", { class: "check" }, this.arrows, element("span", {}, "Arrows of displacement")),
          element("label", { class: "grow" }, element("span", {}, "Find notes"), this.box)),
        this.foundCount, this.foundList, this.selection.bar,
        element("div", { class: "canvas-and-legend" },
          element("div", { class: "canvas" }, this.stage,
            element("div", { class: "slide" }, this.play, element("span", { class: "baseline" }, "baseline"), this.slider,
              element("span", { class: "tuned" }, "tuned")),
            this.hint),
          element("div", { class: "side" }, this.legendTitle = element("h3", {}), this.schemeAbout, this.legend)),
        this.selection.root, this.about);
    }

    button(sign, name, click) {
      return element("button", { type: "button", "aria-label": name, title: name, on: { click } }, sign);
    }

    chosen() {
      const maps = this.report.payload.maps;
      return maps.find((map) => map.key === this.app.store.state.map) ?? firstMap(maps);
    }

    nearestMap(method, dimensions) {
      const same = this.report.payload.maps.filter((map) => map.method === method);
      return same.find((map) => map.dimensions === dimensions) ?? same[0];
    }

    /** Take over what changed in the state. */
    apply(state, changed) {
      const { viewer } = this;
      const map = this.chosen();
      if (changed.has("map")) {
        viewer.show(map);
        this.describe(map);
      }
      if (changed.has("t")) {
        viewer.mix = state.t;
        this.slider.value = String(state.t);
        this.slider.setAttribute("aria-valuetext", `${Math.round(100 * state.t)}% of the way to the tuned model`);
      }
      if (changed.has("view")) viewer.view = state.view ? page.camera.parsed(state.view) : page.camera.start();
      if (changed.has("arrows")) {
        viewer.arrows = state.arrows;
        this.arrows.checked = state.arrows;
      }
      viewer.lit = state.lit;
      if (changed.has("only")) {
        viewer.only = this.report.chosenOnly(state.only);
        this.only.value = viewer.only ? state.only : "";
      }
      const side = viewer.model;
      const depends = ["outcome", "trust"].includes(state.colour);
      if (changed.has("colour") || (depends && (changed.has("t") || changed.has("map")) && this.painted !== `${side} ${map.key}`)) {
        this.colour.value = state.colour;
        this.painted = `${side} ${map.key}`;
        viewer.paint(page.schemes.scheme(this.report, state.colour, side, map));
        this.drawLegend();
      } else if (changed.has("lit") || changed.has("only")) {
        viewer.light();
        this.drawLegend();
      }
      if (changed.has("note")) viewer.opened = this.report.position.get(state.note) ?? -1;
      if (changed.has("find") || (page.search.asked(state.find).near.length && this.searched !== side)) this.find(state.find);
      if (changed.has("select")) this.selection.read(state.select);
      viewer.redraw();
    }

    describe(map) {
      this.method.value = map.method;
      const offered = this.report.payload.maps.filter((other) => other.method === map.method).map((other) => other.dimensions);
      this.dimensions.replaceChildren(...[3, 2].filter((value) => offered.includes(value)).map((value) => option(value, `${value}-D`)));
      this.dimensions.value = String(map.dimensions);
      this.arrows.disabled = !map.comparable;
      this.stage.parentElement.classList.toggle("incomparable", !map.comparable);
      const quality = map.quality?.baseline ?? map.quality?.tuned;
      this.about.replaceChildren(
        element("strong", {}, METHODS[map.method] ?? map.method), `, ${map.dimensions}-D. ${ABOUT[map.method] ?? ""} `,
        ...(quality ? [`Trustworthiness of the whole map (1 is perfect): ${number(map.quality.baseline, 2)} baseline, ${number(map.quality.tuned, 2)} tuned. `] : []),
        map.comparable
          ? "Motion between the two models means something here" +
            (map.noise_floor >= 0.005 * this.viewer.centred.scale
              ? `; arrows shorter than what an unchanged note would move by (${number(map.noise_floor, 2)} map units) are faded.`
              : ", for a note that did not change does not move.")
          : "The two models have maps of their own here, the tuned one turned onto the baseline: that a note moves between them " +
            "proves nothing, so there are no arrows. " + this.comparableOffer());
      this.hint.textContent = (map.dimensions === 3 ? "Drag turns, the right button shifts" : "Drag shifts") +
        ", the wheel zooms once the map is clicked. A click opens a note. With Shift, a drag draws a lasso, and a click selects a note or a " +
        "whole entry of the legend." +
        (this.viewer.painter.kind === "canvas" ? " This browser has no WebGL2: the map is drawn as a plain picture." : "");
    }

    comparableOffer() {
      const names = [...new Set(this.report.payload.maps.filter((map) => map.comparable).map((map) => METHODS[map.method]))];
      return names.length ? `Choose ${names.join(" or ")} for true displacement.` : "";
    }

    drawLegend() {
      const { viewer } = this;
      const { scheme } = viewer;
      this.legendTitle.textContent = scheme.title;
      this.schemeAbout.textContent = scheme.reading;
      const counts = scheme.entries.map(() => 0);
      const selected = scheme.entries.map(() => 0);
      for (let at = 0; at < this.report.size; at += 1) {
        scheme.entries.forEach((_, place) => {
          if (!viewer.belongs(at, place) || (viewer.only && !viewer.only(at))) return;
          counts[place] += 1;
          if (viewer.selection?.has(at)) selected[place] += 1;
        });
      }
      this.selection.label();
      const lit = this.app.store.state.lit;
      const focused = document.activeElement?.dataset?.entry;
      this.legend.replaceChildren(...scheme.entries.map((entry, place) => ({ entry, notes: counts[place], own: selected[place] }))
        .filter(({ notes }) => notes > 0)
        .map(({ entry, notes, own }) => element("button", {
          type: "button", class: "entry", "data-entry": entry.key, "aria-pressed": String(lit === entry.key),
          title: `${lit === entry.key ? "Show all notes again" : `Show ${entry.name} alone`}. With Shift: select its notes.`,
          on: {
            // Shift and a click would mark the words of the page.
            mousedown: (event) => { if (event.shiftKey) event.preventDefault(); },
            click: (event) => {
              if (event.shiftKey) this.selection.take(this.selection.filters({ lit: entry.key }), event);
              else this.app.store.set({ lit: lit === entry.key ? "" : entry.key });
            },
          },
        }, symbol(entry), element("span", { class: "name" }, entry.name),
        element("span", { class: "number" }, viewer.selection ? `${count(own)} of ${count(notes)}` : count(notes)))));
      if (focused) this.legend.querySelector(`[data-entry="${CSS.escape(focused)}"]`)?.focus();
    }

    /** Light up the selected notes alone; all for null. */
    showSelection(notes) {
      this.viewer.selection = notes;
      this.viewer.light();
      this.drawLegend();
    }

    /** Closes the opened note; where none is, clears the selection. */
    escape() {
      if (this.app.store.state.note) this.app.close();
      else this.selection.clear();
    }

    look(view) {
      this.viewer.view = view;
      this.viewer.redraw();
      this.app.store.set({ view: page.camera.written(view) });
    }

    setMix(t) {
      this.app.store.set({ t: Number(t.toFixed(2)) });
    }

    /** Move all notes from one model to the other. */
    run() {
      cancelAnimationFrame(this.running);
      const from = this.viewer.mix >= 1 ? 0 : this.viewer.mix;
      if (wantsCalm()) {
        this.setMix(from >= 0.5 ? 0 : 1);
        return;
      }
      const begun = performance.now();
      const frame = (now) => {
        const share = Math.max(0, Math.min(1, (now - begun) / 2200));
        const eased = share * share * (3 - 2 * share);
        this.setMix(from + (1 - from) * eased);
        if (share < 1) this.running = requestAnimationFrame(frame);
      };
      this.running = requestAnimationFrame(frame);
    }

    /** Name the note under the pointer. */
    point(at, x, y) {
      const { viewer, report } = this;
      if (viewer.pointed !== at) {
        viewer.pointed = at;
        viewer.redraw();
      }
      this.stage.classList.toggle("on-note", at >= 0);
      this.tip.hidden = at < 0;
      if (at < 0) return;
      const trust = viewer.trust(at);
      const text = report.texts?.[at];
      this.tip.replaceChildren(
        element("strong", {}, report.label(at)),
        element("span", { class: "id" }, `note ${report.shortId(at)} · ${report.split(at)}`),
        ...(text ? [element("span", { class: "words" }, shortened(text, 110))] : []),
        ...(trust !== null && trust < page.schemes.LEAST_TRUST
          ? [element("span", { class: "warning" }, `⚠ Placed untrustworthily here (${number(trust, 2)})`)] : []));
      const left = Math.max(4, Math.min(x + 14, viewer.width - this.tip.offsetWidth - 4));
      const above = y + 18 + this.tip.offsetHeight > viewer.height;
      this.tip.style.left = `${left}px`;
      this.tip.style.top = `${above ? Math.max(4, y - this.tip.offsetHeight - 12) : y + 18}px`;
    }

    /** Walk, by keyboard, through the notes that are lit, those that moved most first. */
    step(by) {
      const { viewer, report } = this;
      const moved = report.displacement.distance;
      const order = report.once("walk", () => {
        const all = Array.from({ length: report.size }, (_, at) => at);
        return moved ? all.sort((left, right) => moved[right] - moved[left] || left - right) : all;
      });
      const lit = order.filter((at) => viewer.isLit(at));
      if (!lit.length) return;
      const here = lit.indexOf(viewer.pointed);
      const at = lit[here < 0 ? (by > 0 ? 0 : lit.length - 1) : (here + by + lit.length) % lit.length];
      const { x, y } = viewer.placeOf(at);
      this.point(at, x, y);
      announce(`${report.label(at)}, note ${report.shortId(at)}. Enter opens it.`);
    }

    typed() {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.app.store.set({ find: this.box.value.trim() }), 180);
    }

    async find(query) {
      if (document.activeElement !== this.box) this.box.value = query;
      const search = (this.searches += 1);
      const model = (this.searched = this.viewer.model);
      if (!query) {
        this.showFound(null, "");
        return;
      }
      this.foundCount.textContent = "Searching …";
      const found = await page.search.find(this.report, query, () => search !== this.searches, model);
      if (found && search === this.searches) this.showFound(found, query);
    }

    showFound(found, query) {
      const { viewer, report } = this;
      viewer.found = found ? new Set(found) : null;
      if (viewer.scheme) {
        viewer.light();
        this.selection.label();
      }
      const where = report.texts ? "" : ` by id and specialty (${report.hasTexts ? "the text cannot be read" : "this page holds no text"})`;
      const more = !found?.length ? "." : found.length > 12 ? "; the first 12:" : ":";
      const [lost] = page.search.unheard(report, query);
      const near = page.search.asked(query).near.length ? `, the nearest first, in the ${viewer.model === "tuned" ? "tuned model" : "baseline"}` : where;
      this.foundCount.textContent = !found ? "" : lost
        ? `0 notes found: there is no note whose id begins with ${lost}, or more than one.` : `${plural(found.length, "note")} found${near}${more}`;
      this.foundList.replaceChildren(...(found ?? []).slice(0, 12).map((at) => element("li", {},
        element("button", { type: "button", "data-note": at, on: { click: () => this.app.open(at) } },
          element("strong", {}, report.label(at)), ` ${report.shortId(at)} `,
          report.texts ? element("span", { class: "words" }, ...page.search.marked(page.search.around(report.texts[at], query, 90), query)) : null))));
    }
  }

  page.mapview = { MapView, firstMap, METHODS };
})((globalThis.medembedPage ??= {}));
