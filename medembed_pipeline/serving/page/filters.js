/** The filters that the lake has, as fields. */
(function (page) {
  "use strict";

  const { element, refill, words } = page.base;
  const ANY = "";

  function choice(name, values, chosen, onChange) {
    const known = values.map((one) => one.value);
    const lost = chosen.filter((value) => !known.includes(value));
    const options = [...values, ...lost.map((value) => ({ value, notes: 0 }))];
    const select = element("select", { on: { change: () => onChange(select.value === ANY ? [] : [select.value]) } },
      element("option", { value: ANY }, "any"),
      options.map((one) =>
        element("option", { value: one.value, selected: one.value === chosen[0] }, `${one.value} (${one.notes})`)));
    return element("label", {}, words(name), select);
  }

  function between(column, wanted, onChange) {
    const field = (side, said) => element("input", {
      type: "number", step: "any", "aria-label": `${words(column.name)} ${said}`, value: wanted[side] ?? "",
      placeholder: side === "at_least" ? column.at_least : column.at_most,
      on: { change: (event) => {
        const next = { ...wanted };
        const value = event.target.value.trim();
        if (value === "" || !Number.isFinite(Number(value))) delete next[side];
        else next[side] = Number(value);
        onChange(next);
      } },
    });
    return element("fieldset", {}, element("legend", {}, words(column.name)),
      element("div", { class: "between" }, field("at_least", "from"), element("span", {}, "to"), field("at_most", "to")));
  }

  /**
   * @param {any} model of GET /model
   * @param {any} asked of `address`
   * @param {(asked: any) => void} onChange
   */
  function show(model, asked, onChange) {
    const place = document.getElementById("filters");
    const set = (more) => onChange({ ...asked, ...more });
    const setColumn = (name, wanted) => {
      const columns = { ...asked.columns };
      const nothing = Array.isArray(wanted) ? !wanted.length : !Object.keys(wanted).length;
      if (nothing) delete columns[name];
      else columns[name] = wanted;
      set({ columns });
    };
    const hits = element("input", {
      type: "number", min: 1, max: 200, value: asked.hits,
      on: { change: () => set({ hits: Math.min(200, Math.max(1, Math.round(Number(hits.value)) || 10)) }) },
    });
    const fields = model.scope === "text" ? [
      choice("label", model.labels, asked.labels, (labels) => set({ labels })),
      choice("split", model.splits, asked.splits, (splits) => set({ splits })),
      model.columns.map((column) => {
        const wanted = asked.columns[column.name];
        if (column.at_least !== null && column.at_least !== undefined) {
          return between(column, Array.isArray(wanted) ? {} : wanted ?? {}, (next) => setColumn(column.name, next));
        }
        return column.values && column.values.length > 1
          ? choice(column.name, column.values, Array.isArray(wanted) ? wanted : [], (next) => setColumn(column.name, next))
          : null;
      }),
    ] : [];
    const clear = element("button", { type: "button", disabled: !page.address.hasFilters(asked), on: {
      click: () => set({ labels: [], splits: [], columns: {} }),
    } }, "No filters");
    refill(place, ...fields.flat(), element("label", {}, "how many notes", hits), fields.length ? clear : null);
    document.getElementById("filters-said").textContent = said(asked);
  }

  function said(asked) {
    const parts = [...asked.labels, ...asked.splits];
    for (const [name, wanted] of Object.entries(asked.columns)) {
      parts.push(Array.isArray(wanted)
        ? `${words(name)} ${wanted.join(" or ")}`
        : `${words(name)} ${wanted.at_least ?? "…"} to ${wanted.at_most ?? "…"}`);
    }
    return parts.length ? `: ${parts.join(", ")}` : "";
  }

  page.filters = { show };
})((globalThis.medembedPage ??= {}));
