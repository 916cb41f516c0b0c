/** Finding notes by words of their text, by id and by specialty. */
(function (page) {
  "use strict";

  const AT_ONCE = 3000;
  const escaped = (word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

  /** `chest "sinus rhythm"` -> what a note must hold, each regardless of case. @returns {RegExp[]} */
  function patterns(query) {
    const parts = [...query.matchAll(/"([^"]+)"|(\S+)/g)].map((match) => match[1] ?? match[2]);
    return parts.map((part) => new RegExp(escaped(part), "iu"));
  }

  const pause = () => new Promise((resolve) => setTimeout(resolve, 0));

  /**
   * Notes that hold all words of the query, in text, id, specialties, document types or slices ("site: North").
   * @param {() => boolean} outdated true when a newer search has begun
   * @returns {Promise<number[]|null>} null when outdated
   */
  async function find(report, query, outdated) {
    const wanted = patterns(query);
    const texts = await report.readTexts().catch(() => null);
    const found = [];
    for (let at = 0; at < report.size; at += 1) {
      if (at % AT_ONCE === AT_ONCE - 1) await pause();
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

  page.search = { find, marked, around, patterns };
})((globalThis.medembedPage ??= {}));
