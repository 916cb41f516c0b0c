/** How far the notes moved. */
(function (page) {
  "use strict";
  const { element, number, percent, isNumber } = page.base;
  const { figure, histogram } = page.charts;
  const { table, noteButton, folded } = page.tables;

  /** Shares of the values in equal bins over the domain. */
  function binned(values, domain, bins) {
    const shares = Array.from({ length: bins }, () => 0);
    let known = 0;
    for (const value of values) {
      if (!Number.isFinite(value)) continue;
      known += 1;
      shares[Math.max(0, Math.min(bins - 1, Math.floor(((value - domain[0]) / (domain[1] - domain[0])) * bins)))] += 1;
    }
    return shares.map((share) => share / (known || 1));
  }

  function movement(app) {
    const { report } = app;
    const { distance, overlap, floor } = report.movement;
    if (!distance && !overlap) return null;
    const parts = [];
    if (distance) {
      const top = Math.min(2, Math.ceil(10 * distance.reduce((most, value) => (value > most ? value : most), 0.1)) / 10);
      parts.push(figure("How far notes moved",
        "Distance between a note's place before and after in the full space, once one space is turned onto the other: 0 is unmoved, 1.41 a right angle, 2 opposite. " +
        "A fine-tuning moves most notes somewhat; a few that moved far are worth opening. Movement is neither good nor bad by itself.",
        (width) => histogram(width, [{ name: "notes", kind: "tuned", shares: binned(distance, [0, top], 40) }],
          { domain: [0, top], height: 180, label: "How far notes moved", axis: "distance moved", marker: isNumber(floor) && floor > 0.005 ? { value: floor, name: "noise floor" } : null })));
    }
    if (overlap) {
      parts.push(figure("Neighbours that stayed",
        "Share of a note's nearest neighbours that are the same before and after. All at 100% would mean that nothing was learned; all at zero that the old order is gone.",
        (width) => histogram(width, [{ name: "notes", kind: "tuned", shares: binned(overlap, [-0.05, 1.05], 11) }],
          { domain: [-0.05, 1.05], height: 170, label: "Neighbours that stayed", axis: "share of neighbours kept" })));
    }
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
    parts.push(element("p", {}, element("a", { href: "#at=map", on: { click: () => app.store.set({ colour: distance ? "movement" : "overlap", lit: "" }) } }, "Show it on the map")));
    return [element("div", { class: "pair" }, parts.slice(0, -2)), ...parts.slice(-2)];
  }

  page.section({ id: "movement", title: "Movement", after: "examples", show: movement });
})((globalThis.medembedPage ??= {}));
