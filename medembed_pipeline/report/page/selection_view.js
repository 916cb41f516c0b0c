/** Selecting on the map: the tools above it, and below it what is selected, listed and taken away. */
(function (page) {
  "use strict";
  const { element, refill, number, signed, count, plural, words, capital } = page.base;
  const { make, parsed, written, members, tally, means, csv } = page.selection;

  const FILE = "selected-notes.csv";
  const NAMED = 5;
  const MODES = [
    "What is selected next takes the place of the selection", "What is selected next is added to the selection (so does Ctrl)",
    "What is selected next is taken from the selection (so does Alt)",
  ];

  class SelectionView {
    /** @param {any} mapview */
    constructor(mapview) {
      this.mapview = mapview;
      this.app = mapview.app;
      this.report = mapview.report;
      this.tool = "move";
      this.mode = "new";
      this.turn = 0;
      this.notes = /** @type {Set<number>} */ (new Set());
      this.hidden = element("span", {});
      const { choice } = page.tables;
      const button = (name, title, click) => element("button", { type: "button", title, on: { click } }, name);
      this.tools = choice("Drag", [["move", "move"], ["lasso", "lasso"], ["box", "box"]], this.tool, (tool) => {
        this.tool = tool;
        mapview.stage.dataset.tool = tool;
      });
      this.modes = choice("Selecting", [["new", "replaces"], ["add", "adds"], ["take", "takes away"]], this.mode, (mode) => { this.mode = mode; });
      [...this.modes.querySelectorAll("button")].forEach((one, at) => { one.title = MODES[at]; });
      this.allButton = button("all", "", () => this.take(this.filters()));
      this.viewButton = button("in view", "Select the notes that lie within the window (key v on the map)", () => this.takeView());
      this.status = element("span", { role: "status" }, "No note selected");
      this.clearButton = button("Clear", "Select no note (Escape)", () => this.leave());
      this.clearButton.hidden = true;
      this.bar = element("div", { class: "select-bar" }, this.tools, this.modes,
        element("div", { class: "choice", role: "group", "aria-label": "Select" }, element("span", {}, "Select"), this.allButton, this.viewButton),
        element("p", { class: "selected" }, this.status, this.clearButton));
      this.root = element("section", { class: "selection", "aria-label": "The selected notes", hidden: true });
    }

    get held() {
      return this.app.store.state.select;
    }

    /** Conditions of what legend, slice and search leave lit. */
    filters({ lit = this.app.store.state.lit } = {}) {
      const { state } = this.app.store;
      const { viewer } = this.mapview;
      const conditions = [];
      if (viewer.scheme.entries.some((entry) => entry.key === lit)) conditions.push(make.is(state.colour, viewer.model, viewer.map.key, lit));
      if (viewer.only) conditions.push(make.slice(state.only));
      if (state.find) conditions.push(make.find(viewer.model, state.find));
      return conditions.length ? conditions : [make.all()];
    }

    /** Inside a line drawn on the map, of the notes that legend, slice and search leave. */
    enclose(places, event = null) {
      const others = this.filters().filter(([kind]) => kind !== "all");
      this.take([make.area(this.mapview.viewer, places), ...others], event);
    }

    takeView() {
      const { width, height } = this.mapview.viewer;
      this.enclose([[0, 0], [width, 0], [width, height], [0, height]]);
    }

    /** A step more. Ctrl adds and Alt takes away, whatever was chosen. */
    take(conditions, event = null) {
      const mode = event?.ctrlKey || event?.metaKey ? "add" : event?.altKey ? "take" : this.mode;
      const before = mode === "new" ? [] : parsed(this.held);
      if (mode === "take" && !before.length) {
        this.status.textContent = "No note is selected that could be taken away";
        return;
      }
      this.set([...before, { add: mode !== "take", conditions }]);
    }

    /** Put one note in, or take it out. */
    toggle(at) {
      const steps = parsed(this.held);
      const add = !this.notes.has(at);
      if (!add && this.notes.size === 1) {
        this.clear();
        return;
      }
      const named = [make.notes(this.report, [at])];
      const last = steps[steps.length - 1];
      // One note after another makes one step, so that the address stays short.
      if (last?.add === add && last.conditions.length === 1 && last.conditions[0][0] === "notes") last.conditions[0][1] += `_${named[0][1]}`;
      else steps.push({ add, conditions: named });
      this.set(steps);
    }

    /** @param {any[]} steps of selection.js */
    async set(steps) {
      let select = written(steps);
      if (!page.state.fits(select)) {
        // Many steps may hold few notes, and these can be named.
        const found = await members(this.report, select);
        const named = written([{ add: true, conditions: [make.notes(this.report, [...found.notes])] }]);
        if (page.state.fits(named)) select = named;
      }
      this.app.store.set({ select }, true);
    }

    clear() {
      this.app.store.set({ select: "" }, true);
    }

    /** Take over the selection of the state. */
    async read(text) {
      const turn = (this.turn += 1);
      this.root.ariaBusy = "true";
      if (text.includes("find.")) this.status.textContent = "Selecting …";
      const found = await members(this.report, text, () => turn !== this.turn);
      if (!found || turn !== this.turn) return;
      this.notes = found.notes;
      this.mapview.showSelection(text ? found.notes : null);
      this.draw(text, found.unknown);
      this.root.ariaBusy = "false";
    }

    /** What the filters leave can be selected; how much it is stands on the button. */
    label() {
      const { viewer } = this.mapview;
      const left = viewer.passing;
      const all = left === this.report.size;
      this.allButton.textContent = all ? "all" : `the ${count(left)} lit`;
      this.allButton.title = all ? "Select all notes" : "Select the notes that legend, slice and search leave";
      const hidden = [...this.notes].filter((at) => !viewer.passes(at)).length;
      this.hidden.textContent = hidden ? ` ${count(hidden)} of them are not shown, because of the legend, the slice or the search.` : "";
    }

    draw(text, unknown) {
      const notes = [...this.notes].sort((left, right) => left - right);
      const focused = [...this.root.querySelectorAll("button")].indexOf(document.activeElement);
      this.root.hidden = this.clearButton.hidden = !text;
      this.status.textContent = text ? `${plural(notes.length, "note")} selected` : "No note selected";
      this.status.className = text ? "some" : "";
      this.refreshToggle?.();
      this.label();
      if (!text) {
        refill(this.root);
        return;
      }
      refill(this.root,
        element("h3", {}, `${plural(notes.length, "selected note")}`),
        element("p", { class: "reading" }, "Wherever the slider stands, these are the same notes.", this.hidden),
        unknown ? element("p", { class: "warning" }, "Something that this selection names is not in this report, and was left out.") : null,
        notes.length ? this.facts(notes) : null, this.away(notes, text), notes.length ? this.list(notes) : null);
      // The button that was pressed is gone with the rest: the one in its place gets the focus.
      if (focused >= 0) [...this.root.querySelectorAll("button")].slice(0, focused + 1).pop()?.focus({ preventScroll: true });
    }

    /** Clearing takes away the button that was pressed: the map gets the focus. */
    leave() {
      this.clear();
      this.mapview.stage.focus({ preventScroll: true });
    }

    facts(notes) {
      const { report } = this;
      const found = means(report, notes);
      const listed = (names) => names.map(([name, notes]) => `${name} ${count(notes)}`).join(", ");
      const some = (namesOf) => {
        const names = tally(notes, (at) => { const own = namesOf(at); return own.length ? own : ["(none)"]; });
        const rest = names.length - NAMED;
        return listed(names.slice(0, NAMED)) + (rest > 0 ? `, and ${plural(rest, "other")}` : "");
      };
      const pair = (name, value) => (value ? [element("dt", {}, name), element("dd", {}, value)] : []);
      return element("dl", { class: "facts" },
        ...pair("Split", report.payload.split_names.length > 1 ? listed(report.payload.split_names.map((name) => [name, notes.filter((at) => report.split(at) === name).length])) : ""),
        ...pair("Specialties", some((at) => report.specialties(at))),
        ...pair("Document types", report.payload.document_type_names.length ? some((at) => report.documentTypes(at)) : ""),
        ...report.slices.flatMap((slice) => pair(capital(words(slice.name)), some((at) => report.sliceValues(slice, at)))),
        ...pair("Precision at 10", found.scored
          ? `${number(found.baseline, 2)} before, ${number(found.tuned, 2)} after: mean change ${signed(found.change, 2)} over the ${plural(found.scored, "scored note")} of them`
          : report.table("query_results") ? "none of them is scored" : ""),
        ...pair("Moved", found.moved === null ? "" : `${number(found.moved, 2)} in the mean, of at most 2`));
    }

    /** Buttons that take the selection out of the page. */
    away(notes, text) {
      const fits = page.state.fits(text);
      const said = element("p", { class: "reading", role: "status" }, fits
        ? "The file holds ids, labels, slices and source rows, never the text of a note. The address opens this page with the same selection."
        : "This selection is too long for an address (over 8,000 characters): take the file. The file holds ids, labels, slices and source rows, never the text of a note.");
      return element("div", { class: "away" },
        notes.length ? element("button", { type: "button", class: "download", on: { click: () => this.download(notes) } }, `Download ${FILE}`) : null,
        fits ? element("button", { type: "button", class: "address", on: { click: () => this.copy(said) } }, "Copy the address") : null, said);
    }

    download(notes) {
      const address = URL.createObjectURL(new Blob([csv(this.report, notes)], { type: "text/csv" }));
      const link = element("a", { href: address, download: FILE });
      link.click();
      setTimeout(() => URL.revokeObjectURL(address), 60_000);
    }

    async copy(said) {
      this.app.store.write(false);
      try {
        await navigator.clipboard.writeText(location.href);
        said.textContent = "The address is copied: it opens this page, wherever it lies on your disk now, with the same selection.";
      } catch {
        const line = element("input", { type: "text", readonly: true, "aria-label": "The address", value: location.href });
        refill(said, "This browser does not let a page copy: ", line);
        line.select();
      }
    }

    list(notes) {
      const { app, report } = this;
      const { distance } = report.displacement;
      const change = (at) => report.ledgerRow(at)?.change ?? null;
      this.table ??= page.tables.table([
        { name: "Note", cell: (at) => page.tables.noteButton(app, at), by: (at) => report.label(at) },
        { name: "Split", cell: (at) => report.split(at), by: (at) => report.split(at) },
        ...report.slices.map((slice) => ({
          name: capital(words(slice.name)), cell: (at) => report.sliceValues(slice, at).join(", "), by: (at) => report.sliceValues(slice, at).join(", "),
        })),
        ...(report.table("query_results") ? [{ name: "Change", numeric: true, cell: (at) => signed(change(at), 1), by: change, about: "Of precision at 10, of scored notes" }] : []),
        ...(distance ? [{ name: "Moved", numeric: true, cell: (at) => number(distance[at], 2), by: (at) => distance[at] }] : []),
        { name: "Selection", cell: (at) => element("button", { type: "button", title: `Take note ${report.shortId(at)} out of the selection`, on: { click: () => this.toggle(at) } }, "take out") },
      ], [], { label: "Selected notes", first: 8, open: (at) => app.open(at) });
      this.table.show(notes);
      return this.table;
    }

    /** For the opened note: puts it in or takes it out. */
    noteButton(at) {
      const made = element("button", { type: "button", class: "select-note", on: { click: () => this.toggle(at) } });
      this.refreshToggle = () => { made.textContent = this.notes.has(at) ? "Take it out of the selection" : "Put it into the selection"; };
      this.refreshToggle();
      return made;
    }

    /** For the opened note: selects its nearest notes of one model. */
    nearButton(at, model, heldOut, near) {
      if (!near.length) return null;
      return element("button", {
        type: "button", class: "select-near", title: `Select on the map: its ${near.length} nearest notes in the ${model === "tuned" ? "tuned model" : "baseline"}`,
        on: {
          click: (event) => {
            this.take([make.near(this.report, at, model, heldOut)], event);
            // On a narrow screen the note lies over the map.
            if (matchMedia("(max-width: 1179px)").matches) {
              this.app.store.set({ note: "" });
              this.app.goTo("map");
            }
          },
        },
      }, `Select these ${count(near.length)}`);
    }
  }

  page.selectionView = { SelectionView };
})((globalThis.medembedPage ??= {}));
