/** Finding notes by words of their text, by id, by specialty, and by the note that they are near to. */
(function (page) {
  "use strict";

  const AT_ONCE = 3000;
  const escaped = (word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

  /** `chest "sinus rhythm" near:4f3c` -> what a note must hold, and the notes that it must be near to. */
  function asked(query) {
    const parts = [...query.matchAll(/"([^"]+)"|near:([^\s"]+)|(\S+)/gi)];
    return {
      words: parts.filter((match) => !match[2]).map((match) => match[1] ?? match[3]),
      near: parts.filter((match) => match[2]).map((match) => match[2]),
    };
  }

  /** What a note must hold, each regardless of case. @returns {RegExp[]} */
  const patterns = (query) => asked(query).words.map((part) => new RegExp(escaped(part), "iu"));

  /** Notes that are named in a query, and that the report does not have, or cannot tell from others. @returns {string[]} */
  const unheard = (report, query) => asked(query).near.filter((id) => report.beginsWith(id) < 0);

  const pause = () => new Promise((resolve) => setTimeout(resolve, 0));

  /**
   * Notes that hold all words of the query, in text, id, specialties, document types or slices ("site: North").
   * With `near:<id>`, only those among the nearest notes of that note in `model`, the nearest first.
   * @param {() => boolean} outdated true when a newer search has begun
   * @returns {Promise<number[]|null>} null when outdated
   */
  async function find(report, query, outdated, model = "tuned") {
    const wanted = patterns(query);
    const near = asked(query).near.map((id) => report.beginsWith(id))
      .map((at) => (at < 0 ? [] : report.neighbors(model, at).map((one) => one.at)));
    const offered = near.length ? near[0].filter((at) => near.every((one) => one.includes(at))) : null;
    const texts = await report.readTexts().catch(() => null);
    const found = [];
    for (let place = 0; place < (offered?.length ?? report.size); place += 1) {
      const at = offered ? offered[place] : place;
      if (place % AT_ONCE === AT_ONCE - 1) await pause();
      if (outdated()) return null;
      const slices = report.slices.map((slice) => report.sliceValues(slice, at).map((value) => `${slice.name}: ${value}`).join(" ")).join(" ");
      const facts = `${report.notes.id[at]} ${report.label(at)} ${report.documentTypes(at).join(" ")} ${slices}`;
      const text = texts?.[at] ?? "";
      if (wanted.every((pattern) => pattern.test(text) || pattern.test(facts))) found.push(at);
    }
    return found;
  }

  /** The text with what was found marked. @returns {Array<Node|string>} */
  function marked(text, query) {
    const wanted = patterns(query);
    if (!wanted.length) return [text];
    const any = new RegExp(wanted.map((pattern) => pattern.source).join("|"), "giu");
    const parts = [];
    let from = 0;
    for (const match of text.matchAll(any)) {
      if (!match[0]) continue;
      parts.push(text.slice(from, match.index), page.base.element("mark", {}, match[0]));
      from = match.index + match[0].length;
      if (parts.length > 2000) break;
    }
    return [...parts, text.slice(from)];
  }

  /** The words around the first place where the query is found. */
  function around(text, query, length) {
    const places = patterns(query).map((pattern) => text.search(pattern)).filter((place) => place >= 0);
    const first = places.length ? Math.max(0, Math.min(...places) - Math.floor(length / 3)) : 0;
    const from = first > 0 ? text.indexOf(" ", first) + 1 : 0;
    return (from > 0 ? "… " : "") + page.base.shortened(text.slice(from), length);
  }

  page.search = { find, marked, around, patterns, asked, unheard };
})((globalThis.medembedPage ??= {}));
