/** The cases of triage, decoded: what every arm says of each, where it lies on the arm's map, and ways to colour it. */
(function (page) {
  "use strict";
  const { words } = page.base;
  const { LOOKS, OTHER, NONE } = page.palette;

  const HELD_OUT = "test";
  /** So far from the map's middle, whose radius is 1, that nobody sees it: where a case lies that an arm cannot see. */
  const AWAY = 1e6;

  /** The payload's cases, with what a Viewer asks of what it shows: `size` and `centred`. */
  class Cases {
    constructor(report) {
      const given = report.payload.cases;
      this.report = report;
      this.given = given;
      this.size = given.id.length;
      this.levels = given.levels;
      this.names = Object.keys(given.arms);
      this.position = new Map(given.id.map((id, at) => [id, at]));
      this.cache = new Map();
    }

    once(key, make) {
      if (!this.cache.has(key)) this.cache.set(key, make());
      return this.cache.get(key);
    }

    /** The arm that is compared, or the first. */
    get best() {
      const chosen = [this.report.fact("modality_ledger", "fusion"), this.report.fact("modality_ledger", "single")];
      return chosen.find((name) => this.names.includes(name)) ?? this.names[0];
    }

    heldOut(at) {
      return this.given.split[at] === HELD_OUT;
    }

    shortId(at) {
      return this.given.id[at].slice(0, 8);
    }

    level(at) {
      return this.levels[this.given.level[at]];
    }

    /** @returns {{of: Int32Array, at: Float32Array, said: Float32Array, given: Uint8Array, blank: Float32Array|null, row: Int32Array}} */
    arm(name) {
      return this.once(`arm ${name}`, () => {
        const { bytes, floats, integers } = page.data;
        const own = this.given.arms[name];
        const of = integers(own.of);
        const row = new Int32Array(this.size).fill(-1);
        of.forEach((at, place) => { row[at] = place; });
        return { of, row, at: floats(own.at), said: floats(own.said), given: bytes(own.given), blank: own.blank ? floats(own.blank) : null };
      });
    }

    sees(name, at) {
      return this.arm(name).row[at] >= 0;
    }

    /**
     * What an arm says of a case: the likeliest level, and the probability of each; of a fusion what the note and the picture
     * add to that of the likeliest, and what it is with neither. Null where the arm cannot see the case.
     * @returns {{level: number, said: number[], noteAdds: number|null, pictureAdds: number|null, neither: number|null}|null}
     */
    answer(name, at) {
      const { row, said, given, blank } = this.arm(name);
      const place = row[at];
      if (place < 0) return null;
      const width = this.levels.length;
      const own = [...said.subarray(width * place, width * (place + 1))];
      const level = given[place];
      const left = blank ? [...blank.subarray(3 * place, 3 * place + 3)] : null;
      return {
        level, said: own,
        noteAdds: left ? own[level] - left[0] : null, pictureAdds: left ? own[level] - left[1] : null, neither: left ? left[2] : null,
      };
    }

    /** An arm's map, as the camera sees it; cases that the arm cannot see lie away from it. */
    centred({ key }) {
      return this.once(`centred ${key}`, () => {
        const { of, at } = this.arm(key);
        const { before, scale } = page.camera.centred(at, at, 2);
        const places = new Float32Array(3 * this.size).fill(AWAY);
        of.forEach((own, place) => places.set(before.subarray(3 * place, 3 * place + 3), 3 * own));
        return { before: places, after: places, scale };
      });
    }
  }

  const entry = (key, name, look) => ({ key, name, ...look });
  const RIGHT = { colour: "blue", shape: "circle" };
  const LOW = { colour: "vermillion", shape: "down" };
  const HIGH = { colour: "orange", shape: "triangle" };

  function byLevel(cases, title, reading, of) {
    return { title, reading, entries: cases.levels.map((name, place) => entry(name, name, LOOKS[place % LOOKS.length])), of };
  }

  /** Values of a column, the commonest first; those beyond the looks that there are share one. */
  function byValue(cases, title, reading, values) {
    const counts = new Map();
    for (const value of values) if (value !== null) counts.set(value, (counts.get(value) ?? 0) + 1);
    const names = [...counts].sort((left, right) => right[1] - left[1] || (left[0] < right[0] ? -1 : 1)).map(([name]) => name);
    const own = names.slice(0, LOOKS.length);
    const place = new Map(own.map((name, at) => [name, at]));
    return {
      title, reading, rareInFront: true,
      entries: [...own.map((name, at) => entry(name, name, LOOKS[at])), entry("other", "all others", OTHER), entry("none", "not known", NONE)],
      of: (at) => (values[at] === null ? own.length + 1 : place.get(values[at]) ?? own.length),
    };
  }

  function outcome(cases, arm) {
    const difference = (at) => (cases.answer(arm, at)?.level ?? cases.given.level[at]) - cases.given.level[at];
    const said = `What the arm ${words(arm)} makes of each case. Good: few triangles among the held-out cases.`;
    if (!cases.given.ordered) {
      return {
        title: "Right or wrong", reading: said, entries: [entry("wrong", "wrong", LOW), entry("right", "right", RIGHT)],
        of: (at) => (difference(at) ? 0 : 1),
      };
    }
    return {
      title: "Right or wrong", reading: said,
      entries: [entry("low", "too low a level", LOW), entry("high", "too high a level", HIGH), entry("right", "right", RIGHT)],
      of: (at) => (difference(at) < 0 ? 0 : difference(at) > 0 ? 1 : 2),
    };
  }

  /** Ways to colour the cases, in the order of the menu. */
  function offered(cases) {
    const list = [["level", "Level"], ["given", "What the arm says"], ["outcome", "Right or wrong"]];
    if (new Set(cases.given.split).size > 1) list.push(["split", "Split"]);
    for (const [key, name] of [["source", "Source"], ["view", "View"]]) {
      if (cases.given[key].some((value) => value !== null)) list.push([key, name]);
    }
    return list;
  }

  /** One of those that are offered; as the schemes of the notes' map (schemes.js). */
  function scheme(cases, key, arm) {
    const { given } = cases;
    if (key === "given") {
      return byLevel(cases, "What the arm says", `The level that the arm ${words(arm)} gives.`, (at) => cases.answer(arm, at)?.level ?? 0);
    }
    if (key === "outcome") return outcome(cases, arm);
    if (key === "split") {
      return byValue(cases, "Split", "Held-out cases should lie among training cases of their level.", given.split);
    }
    if (key === "source") {
      return byValue(cases, "Source", "Where a case is from should tell nothing of its level: islands of one source are a warning.", given.source);
    }
    if (key === "view") {
      return byValue(cases, "View", "How a picture was taken should tell nothing of the level: islands of one view are a warning.", given.view);
    }
    return byLevel(cases, "Level", "The true level. The more a map keeps colours apart, the more the arm has to go by.", (at) => given.level[at]);
  }

  page.cases = { Cases, scheme, offered };
})((globalThis.medembedPage ??= {}));
