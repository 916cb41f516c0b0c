/** How far the notes moved. */
(function (page) {
  "use strict";
  const { element, number, percent, isNumber } = page.base;
  const { specified } = page.charts;
  const { table, noteButton, folded } = page.tables;

  function displacement(app) {
    const { report } = app;
    const { distance, overlap } = report.displacement;
    if (!distance && !overlap) return null;
    const parts = ["displacement", "neighbors_kept"].map((name) => specified(app, "note_displacement", name));
    const by = distance ?? overlap;
    const order = Array.from({ length: report.size }, (_, at) => at).filter((at) => Number.isFinite(by[at]))
      .sort((left, right) => (distance ? by[right] - by[left] : by[left] - by[right])).slice(0, 200);
    const turn = (at) => {
      const [before, after] = [report.nearestIs("baseline", at), report.nearestIs("tuned", at)];
      return before && after ? `${before} → ${after}` : "–";
    };
    parts.push(folded("The notes that moved most", table([
      { name: "Note", cell: (at) => noteButton(app, at) },
      ...(distance ? [{ name: "Moved", numeric: true, cell: (at) => number(distance[at], 2), by: (at) => distance[at] }] : []),
      ...(overlap ? [{ name: "Neighbours kept", numeric: true, cell: (at) => percent(overlap[at]), by: (at) => overlap[at] }] : []),
      { name: "Nearest note", cell: turn, by: turn },
      { name: "Split", cell: (at) => report.split(at), by: (at) => report.split(at) },
    ], order, { label: "The notes that moved most", first: 15, open: (at) => app.open(at) })));
    parts.push(element("p", {}, element("a", { href: "#at=map", on: { click: () => app.store.set({ colour: distance ? "displacement" : "overlap", lit: "" }) } }, "Show it on the map")));
    return [element("div", { class: "pair" }, parts.slice(0, -2)), ...parts.slice(-2)];
  }

  page.section({ id: "displacement", title: "Displacement", after: "examples", show: displacement });
})((globalThis.medembedPage ??= {}));
