/** The payload, decoded: typed arrays, tables as rows, and what is known of a note. */
(function (page) {
  "use strict";

  /** @param {string} base64 @returns {Uint8Array} */
  function bytes(base64) {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
    const binary = atob(base64);
    const decoded = new Uint8Array(binary.length);
    for (let at = 0; at < binary.length; at += 1) decoded[at] = binary.charCodeAt(at);
    return decoded;
  }

  /** The bytes are little-endian, as every machine that a browser runs on. */
  const floats = (base64) => new Float32Array(bytes(base64).buffer);
  const integers = (base64) => new Int32Array(bytes(base64).buffer);

  /** JSON out of base64(gzip(JSON)). @returns {Promise<any>} */
  async function unpacked(base64) {
    if (typeof DecompressionStream === "undefined") {
      throw new Error("This browser cannot unpack the report: it has no DecompressionStream. Use one from 2023 or later.");
    }
    const stream = new Blob([bytes(base64)]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }

  /** A column-wise table as rows. @returns {Array<Object<string, any>>} */
  function rows(table) {
    const names = Object.keys(table);
    const length = names.length ? table[names[0]].length : 0;
    return Array.from({ length }, (_, at) => Object.fromEntries(names.map((name) => [name, table[name][at]])));
  }

  /** The texts that lie in a script file beside the page. @returns {Promise<string[]>} */
  function textsBeside(file) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      const done = () => {
        delete globalThis.medembedTexts;
        script.remove();
      };
      globalThis.medembedTexts = (packed) => unpacked(packed).then(resolve, reject);
      script.addEventListener("load", done);
      script.addEventListener("error", () => {
        done();
        reject(new Error(`The notes' text lies in ${file}, beside this page, and is not there.`));
      });
      script.src = file;
      document.head.append(script);
    });
  }

  const meet = (left, right) => left.some((value) => right.includes(value));

  /** All that the page shows, read once. */
  class Report {
    constructor(payload, packedTexts, textsFile) {
      this.payload = payload;
      this.notes = payload.notes;
      this.size = payload.notes.id.length;
      this.models = payload.models;
      this.packedTexts = packedTexts;
      this.hasTexts = Boolean(packedTexts || textsFile);
      this.textsFile = textsFile;
      this.texts = /** @type {string[]|null} */ (null);
      this.position = new Map(payload.notes.id.map((id, at) => [id, at]));
      this.cache = new Map();
    }

    once(key, make) {
      if (!this.cache.has(key)) this.cache.set(key, make());
      return this.cache.get(key);
    }

    /** Rows of a table, null where the page was made without it. */
    table(name) {
      const table = this.payload.tables[name];
      return table ? this.once(`table ${name}`, () => rows(table)) : null;
    }

    fact(asset, name) {
      return this.payload.facts?.[asset]?.[name] ?? null;
    }

    setting(section, field) {
      return this.payload.made?.settings?.[section]?.[field] ?? null;
    }

    /** The notes' texts, unpacked at the first call. @returns {Promise<string[]|null>} */
    readTexts() {
      if (!this.hasTexts) return Promise.resolve(null);
      return this.once("texts", async () => {
        this.texts = await (this.packedTexts ? unpacked(this.packedTexts) : textsBeside(this.textsFile));
        this.packedTexts = "";
        return this.texts;
      });
    }

    /** @param {number} at @returns {string[]} */
    specialties(at) {
      return this.notes.specialties[at].map((place) => this.payload.specialty_names[place]);
    }

    documentTypes(at) {
      return this.notes.document_types[at].map((place) => this.payload.document_type_names[place]);
    }

    /** Columns of the landing files whose values the notes are told apart by. */
    get slices() {
      return this.payload.slices ?? [];
    }

    /** @param {{name: string, values: string[], of: number[][]}} slice @returns {string[]} */
    sliceValues(slice, at) {
      return slice.of[at].map((place) => slice.values[place]);
    }

    /** What a slice's notes of one value are chosen by: `site=North`, or `site=` for those that say nothing. */
    sliceChoices(slice) {
      const some = slice.values.map((value, place) => ({ key: `${slice.name}=${value}`, name: value, has: (at) => slice.of[at].includes(place) }));
      const none = { key: `${slice.name}=`, name: "(none)", has: (at) => slice.of[at].length === 0 };
      return slice.of.some((own) => !own.length) ? [...some, none] : some;
    }

    /** Whether a note is of the value chosen; null where nothing, or nothing known, is. @returns {((at: number) => boolean)|null} */
    chosenOnly(key) {
      if (!key) return null;
      return this.slices.flatMap((slice) => this.sliceChoices(slice)).find((one) => one.key === key)?.has ?? null;
    }

    split(at) {
      return this.payload.split_names[this.notes.split[at]] ?? "";
    }

    /** What to call a note in a line: its specialties. */
    label(at) {
      return this.specialties(at).join(", ") || this.documentTypes(at).join(", ") || "no specialty";
    }

    shortId(at) {
      return this.notes.id[at].slice(0, 8);
    }

    /** The place of the only note whose id begins so, -1 where there is none or more than one. */
    beginsWith(text) {
      const own = this.position.get(text);
      if (own !== undefined) return own;
      const short = this.once("short ids", () => {
        const places = new Map();
        this.notes.id.forEach((_, at) => places.set(this.shortId(at), places.has(this.shortId(at)) ? -1 : at));
        return places;
      });
      if (short.has(text)) return short.get(text);
      const found = text ? this.notes.id.filter((id) => id.startsWith(text)) : [];
      return found.length === 1 ? this.position.get(found[0]) : -1;
    }

    /** As much of a note's id as tells it from all others: the short one mostly. */
    beginning(at) {
      const short = this.shortId(at);
      return this.beginsWith(short) === at ? short : this.notes.id[at];
    }

    /** Two notes are relevant to each other when their specialty sets meet. */
    relevant(at, other) {
      return meet(this.notes.specialties[at], this.notes.specialties[other]);
    }

    /** A map's arrays. @returns {{baseline: Float32Array, tuned: Float32Array, trust: Object<string, Uint8Array|null>}} */
    places(map) {
      return this.once(`map ${map.key}`, () => ({
        baseline: floats(map.baseline),
        tuned: floats(map.tuned),
        trust: {
          baseline: map.trust_baseline ? bytes(map.trust_baseline) : null,
          tuned: map.trust_tuned ? bytes(map.trust_tuned) : null,
        },
      }));
    }

    /** Both models' places on a map, as the camera sees them: shifted and scaled alike. */
    centred(map) {
      const places = this.places(map);
      return this.once(`centred ${map.key}`, () => page.camera.centred(places.baseline, places.tuned, map.dimensions));
    }

    /** Nearest notes among all notes, nearest first. @returns {Array<{at: number, similarity: number}>} */
    neighbors(model, at) {
      const stored = this.payload.neighbors;
      if (!stored) return [];
      const places = this.once(`neighbors ${model}`, () => integers(stored[model]));
      const similarity = this.once(`similarity ${model}`, () => floats(stored[`${model}_similarity`]));
      const found = [];
      for (let rank = at * stored.width; rank < (at + 1) * stored.width; rank += 1) {
        if (places[rank] >= 0) found.push({ at: places[rank], similarity: similarity[rank] });
      }
      return found;
    }

    /** "right", "wrong", or "" where the note has no specialty or no neighbour. */
    nearestIs(model, at) {
      const stored = this.payload.neighbors;
      if (!stored || this.notes.specialties[at].length === 0) return "";
      const places = this.once(`neighbors ${model}`, () => integers(stored[model]));
      const nearest = places[at * stored.width];
      return nearest < 0 ? "" : this.relevant(at, nearest) ? "right" : "wrong";
    }

    /** Distance moved in the full space and share of neighbours kept. */
    get displacement() {
      const stored = this.payload.displacement;
      return this.once("displacement", () => ({
        distance: stored?.distance ? floats(stored.distance) : null,
        overlap: stored?.overlap ? floats(stored.overlap) : null,
        floor: stored?.floor ?? null,
      }));
    }

    /** The ledger's row of a note, null where the note was not scored. */
    ledgerRow(at) {
      const byNote = this.once(
        "ledger by note",
        () => new Map((this.table("query_results") ?? []).map((row) => [row.note_id, row])),
      );
      return byNote.get(at) ?? null;
    }

    labelRow(at) {
      const byNote = this.once(
        "labels by note",
        () => new Map((this.table("label_review") ?? []).map((row) => [row.note_id, row])),
      );
      return byNote.get(at) ?? null;
    }
  }

  page.data = { bytes, floats, integers, unpacked, rows, Report };
})((globalThis.medembedPage ??= {}));
