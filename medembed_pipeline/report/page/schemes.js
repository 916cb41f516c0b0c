/** Ways to colour the notes. Each gives a legend, and for every note the entry it is drawn as. */
(function (page) {
  "use strict";
  const { number, percent } = page.base;
  const { LOOKS, OTHER, NONE, ramp } = page.palette;

  /**
   * @typedef {{key: string, name: string, colour: string, shape: string}} Entry
   * @typedef {{title: string, reading: string, entries: Entry[], of: (at: number) => number,
   *   has?: (at: number, entry: number) => boolean, rareInFront?: boolean}} Scheme
   * `of` is the entry that a note is drawn as, `has` the entries it belongs to (a note of two specialties has both).
   */

  const entry = (key, name, look) => ({ key, name, ...look });

  /** Names that a note may have several of, drawn as the most frequent. */
  function byNames(title, reading, names, sets, none) {
    const own = names.slice(0, LOOKS.length);
    const entries = own.map((name, place) => entry(name, name, LOOKS[place]));
    const other = entries.length;
    if (names.length > own.length) entries.push(entry("other", "all others", OTHER));
    const without = entries.length;
    entries.push(entry("none", none, NONE));
    const drawn = (set) => (set.length === 0 ? without : Math.min(...set) < other ? Math.min(...set) : other);
    return {
      title, reading, entries, rareInFront: true,
      of: (at) => drawn(sets[at]),
      has: (at, place) =>
        place < other ? sets[at].includes(place)
          : place === without ? sets[at].length === 0
            : sets[at].some((value) => value >= other),
    };
  }

  function specialty(report) {
    return byNames(
      "Specialty",
      "A note of several specialties is drawn as the most frequent of them; a legend entry lights all notes that have it. " +
        "Good: one colour stands together in the tuned model.",
      report.payload.specialty_names, report.notes.specialties, "no specialty",
    );
  }

  function documentType(report) {
    return byNames(
      "Document type",
      "Notes should gather by specialty, not by kind of document: islands of one document type are a warning.",
      report.payload.document_type_names, report.notes.document_types, "no document type",
    );
  }

  /** A column of the landing files. */
  function slice(report, { name, values, of }) {
    const shown = page.base.capital(page.base.words(name));
    return byNames(
      shown,
      `What the landing files say of a note in the column ${name}; a note of rows that disagree is drawn as the first of its ` +
        "values. Notes should gather by specialty: islands of one value are a warning.",
      values, of, "(none)",
    );
  }

  function split(report) {
    const names = report.payload.split_names;
    const looks = [{ colour: "grey", shape: "circle" }, { colour: "orange", shape: "square" }, { colour: "blue", shape: "triangle" }];
    return {
      title: "Split",
      reading: "Held-out notes should lie among training notes of their specialty. Training notes in tight clumps with " +
        "held-out notes between them would be a sign of memory.",
      entries: names.map((name, place) => entry(name, name, looks[place] ?? LOOKS[place + 3])),
      of: (at) => report.notes.split[at],
    };
  }

  const RIGHT = { colour: "blue", shape: "circle" };
  const WRONG = { colour: "vermillion", shape: "triangle" };

  function outcome(report, model) {
    const word = model === "tuned" ? "tuned model" : "baseline";
    return {
      title: "Right or wrong",
      reading: `Whether a note's nearest neighbour among all notes shares a specialty with it, in the ${word} (the slider ` +
        "chooses the model). Good: few triangles.",
      entries: [
        entry("wrong", "nearest is wrong", WRONG), entry("right", "nearest is relevant", RIGHT), entry("none", "no specialty", NONE),
      ],
      of: (at) => ({ wrong: 0, right: 1 })[report.nearestIs(model, at)] ?? 2,
    };
  }

  function turned(report) {
    return {
      title: "Won and lost",
      reading: "What became of each note's nearest neighbour. Good: many won, few lost; a lost note was right before the tuning.",
      entries: [
        entry("lost", "lost: right, now wrong", WRONG),
        entry("won", "won: wrong, now right", RIGHT),
        entry("wrong", "wrong in both", { colour: "orange", shape: "square" }),
        entry("right", "right in both", OTHER),
        entry("none", "no specialty", NONE),
      ],
      of: (at) => {
        const before = report.nearestIs("baseline", at);
        const after = report.nearestIs("tuned", at);
        if (!before || !after) return 4;
        return before === after ? (after === "right" ? 3 : 2) : after === "right" ? 1 : 0;
      },
    };
  }

  /** Bounds that cut the values above `floor` into four equal parts. */
  function quartiles(values, floor) {
    const above = Float32Array.from(values).filter((value) => value > floor).sort();
    return [0.25, 0.5, 0.75].map((share) => above[Math.floor(share * (above.length - 1))] ?? floor);
  }

  function displacement(report) {
    const { distance, floor } = report.displacement;
    const least = floor ?? 0;
    const bounds = report.once("displacement bounds", () => quartiles(distance, least));
    const colours = ramp();
    const ends = [least, ...bounds];
    return {
      title: "How far it moved",
      reading: "Distance between a note's two places in the full space (0 to 2), once the tuned space is turned onto the " +
        "baseline. It is measured, not read off the map. Grey notes moved no more than by a change that means nothing.",
      entries: [
        entry("still", `not more than ${number(least, 2)} (noise)`, OTHER),
        ...ends.map((low, place) =>
          entry(`q${place + 1}`, place < 3 ? `${number(low, 2)} to ${number(ends[place + 1], 2)}` : `over ${number(low, 2)}`,
            { colour: colours[place + 1], shape: "circle" }),
        ),
      ],
      of: (at) => {
        const value = distance[at];
        if (!(value > least)) return 0;
        return 1 + bounds.filter((bound) => value > bound).length;
      },
    };
  }

  function overlap(report) {
    const kept = report.displacement.overlap;
    const colours = [...ramp()].reverse();
    const bounds = [0.2, 0.4, 0.6, 0.8];
    return {
      title: "Neighbours kept",
      reading: "Share of a note's nearest neighbours that are the same in both models. Few kept is no fault by itself: " +
        "see whether the new ones are relevant.",
      entries: [0, ...bounds].map((low, place) =>
        entry(`k${place}`, place < 4 ? `${percent(low)} to ${percent(bounds[place])}` : `over ${percent(low)}`,
          { colour: colours[place], shape: "circle" }),
      ),
      of: (at) => bounds.filter((bound) => kept[at] > bound + 1e-6).length,
    };
  }

  /** Local trustworthiness under which a note's place is called untrustworthy. */
  const LEAST_TRUST = 0.8;

  function trust(report, model, map) {
    const values = report.places(map).trust[model];
    return {
      title: "Trust in its place",
      reading: "Local trustworthiness: whether the notes around it on this map are near it in the full space, too. " +
        "Do not argue from triangles: read their neighbours instead.",
      entries: [
        entry("low", `under ${number(LEAST_TRUST, 1)}: do not trust`, WRONG),
        entry("middle", "0.8 to 0.9", { colour: "orange", shape: "square" }),
        entry("good", "0.9 to 0.97", { colour: "sky", shape: "circle" }),
        entry("high", "over 0.97", { colour: "blue", shape: "circle" }),
      ],
      of: (at) => {
        const value = values[at] / 255;
        return value < LEAST_TRUST ? 0 : value < 0.9 ? 1 : value < 0.97 ? 2 : 3;
      },
    };
  }

  /** The schemes that this report has data for, in the order of the menu. */
  function offered(report) {
    const list = [["specialty", "Specialty"]];
    if (report.payload.document_type_names.length) list.push(["document_type", "Document type"]);
    if (report.payload.split_names.length > 1) list.push(["split", "Split"]);
    for (const { name } of report.slices) list.push([`slice:${name}`, page.base.capital(page.base.words(name))]);
    if (report.payload.neighbors && report.payload.specialty_names.length) list.push(["outcome", "Right or wrong"], ["turned", "Won and lost"]);
    if (report.displacement.distance) list.push(["displacement", "How far it moved"]);
    if (report.displacement.overlap) list.push(["overlap", "Neighbours kept"]);
    if (report.payload.maps.some((map) => map.trust_tuned && map.trust_baseline)) list.push(["trust", "Trust in its place"]);
    return list;
  }

  /** @returns {Scheme} */
  function scheme(report, key, model, map) {
    const known = offered(report).some(([name]) => name === key);
    if (known && key === "document_type") return documentType(report);
    if (known && key === "split") return split(report);
    if (known && key.startsWith("slice:")) return slice(report, report.slices.find(({ name }) => `slice:${name}` === key));
    if (known && key === "outcome") return outcome(report, model);
    if (known && key === "turned") return turned(report);
    if (known && key === "displacement") return displacement(report);
    if (known && key === "overlap") return overlap(report);
    if (known && key === "trust" && report.places(map).trust[model]) return trust(report, model, map);
    return specialty(report);
  }

  page.schemes = { scheme, offered, LEAST_TRUST };
})((globalThis.medembedPage ??= {}));
