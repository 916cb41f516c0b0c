/** What is shown, kept in the page's address, so that a link shows the same view. */
(function (page) {
  "use strict";

  /**
   * @typedef {{map: string, colour: string, t: number, note: string, find: string, lit: string, arrows: boolean,
   *   view: string, at: string, only: string, select: string, slice: string, figure: string, task: string, case: string,
   *   case_arm: string, case_colour: string}} State
   * map: key of the map; t: 0 baseline to 1 tuned; note: id; lit: key of the legend entry shown alone;
   * view: yaw, pitch, zoom and shift of the camera; at: the section; only: `slice=value` whose notes are shown alone;
   * select: the selected notes (selection.js); slice, figure: what the section of slices shows; task: what the history shows;
   * case: id of the opened case; case_arm, case_colour: whose map of the cases it is, and how it is coloured.
   */

  /** @returns {State} */
  const defaults = (map) => ({
    map, colour: "specialty", t: 1, note: "", find: "", lit: "", arrows: false, view: "", at: "",
    only: "", select: "", slice: "", figure: "", task: "", case: "", case_arm: "", case_colour: "level",
  });

  /** @param {State} base @param {string} hash @returns {State} */
  function parsed(base, hash) {
    const given = new URLSearchParams(hash.replace(/^#/, ""));
    const state = { ...base };
    for (const name of Object.keys(base)) {
      if (typeof base[name] === "string" && given.has(name)) state[name] = given.get(name);
    }
    const mix = Number(given.get("t") ?? NaN);
    if (mix >= 0 && mix <= 1) state.t = mix;
    if (given.has("arrows")) state.arrows = given.get("arrows") === "1";
    return state;
  }

  /** How long a selection may be in an address that people send to each other. */
  const LONGEST = 8000;
  const fits = (select) => new URLSearchParams({ select }).toString().length <= LONGEST;

  /** Only what differs from the defaults. @param {State} base @param {State} state */
  function written(base, state) {
    const given = new URLSearchParams();
    for (const [name, value] of Object.entries(state)) {
      if (value === base[name] || (name === "select" && !fits(value))) continue;
      given.set(name, typeof value === "boolean" ? (value ? "1" : "0") : String(value));
    }
    return given.toString();
  }

  /** Holds the state, tells listeners what changed, and writes the address. */
  class Store {
    constructor(base) {
      this.base = base;
      this.state = this.held();
      this.listeners = [];
      this.timer = 0;
      addEventListener("hashchange", () => this.read());
      addEventListener("popstate", () => this.read());
    }

    /** What the address holds, and a selection too long for it, which the browser's history holds. @returns {State} */
    held() {
      const state = parsed(this.base, location.hash);
      return history.state?.select ? { ...state, select: history.state.select } : state;
    }

    /** @param {(state: State, changed: Set<string>) => void} listener */
    listen(listener) {
      this.listeners.push(listener);
    }

    tell(changed) {
      if (changed.size) for (const listener of this.listeners) listener(this.state, changed);
    }

    /** Merge, tell, write. `push` makes a step that the Back button undoes. */
    set(patch, push = false) {
      const changed = new Set(Object.keys(patch).filter((name) => this.state[name] !== patch[name]));
      if (push && changed.size) this.write(false);
      this.state = { ...this.state, ...patch };
      this.tell(changed);
      if (push && changed.size) this.write(true);
      else this.later();
    }

    later() {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.write(false), 120);
    }

    write(push) {
      clearTimeout(this.timer);
      const hash = `#${written(this.base, this.state)}`;
      const beside = fits(this.state.select) ? null : { select: this.state.select };
      if (hash === (location.hash || "#") && (history.state?.select ?? null) === (beside?.select ?? null)) return;
      if (push) history.pushState(beside, "", hash);
      else history.replaceState(beside, "", hash);
    }

    read() {
      const before = this.state;
      this.state = this.held();
      // A bare link to a section moves the page and leaves the view as it is.
      const given = [...new URLSearchParams(location.hash.slice(1)).keys()];
      if (given.length === 1 && given[0] === "at") this.state = { ...before, at: this.state.at };
      const changed = new Set(Object.keys(this.state).filter((name) => this.state[name] !== before[name]));
      this.tell(changed);
      this.later();
    }
  }

  page.state = { defaults, parsed, written, fits, Store };
})((globalThis.medembedPage ??= {}));
