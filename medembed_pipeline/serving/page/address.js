/** What is asked, in the address: filters and a stored note's id, never a note's text. */
(function (page) {
  "use strict";

  const empty = () => ({ labels: [], splits: [], columns: {}, hits: 10, note: "" });
  const NUMBER = /^-?\d+(\.\d+)?$/;

  /** @param {string} hash "#label=A&label=B&split=test&is.site=North&from.age=18&to.age=40&hits=20&note=0123" */
  function read(hash) {
    const asked = empty();
    for (const [name, value] of new URLSearchParams(hash.replace(/^#/, ""))) {
      const [kind, ...rest] = name.split(".");
      const column = rest.join(".");
      if (name === "label") asked.labels.push(value);
      else if (name === "split") asked.splits.push(value);
      else if (name === "note" && /^[0-9a-f]{32}$/.test(value)) asked.note = value;
      else if (name === "hits" && /^\d+$/.test(value)) asked.hits = Math.min(200, Math.max(1, Number(value)));
      else if (kind === "is" && column) asked.columns[column] = [...[asked.columns[column] ?? []].flat(), value];
      else if ((kind === "from" || kind === "to") && column && NUMBER.test(value)) {
        const known = Array.isArray(asked.columns[column]) ? {} : asked.columns[column];
        asked.columns[column] = { ...known, [kind === "from" ? "at_least" : "at_most"]: Number(value) };
      }
    }
    return asked;
  }

  /** @returns {string} the hash, "" where there is nothing to say */
  function written(asked) {
    const parts = new URLSearchParams();
    for (const label of asked.labels) parts.append("label", label);
    for (const split of asked.splits) parts.append("split", split);
    for (const [name, wanted] of Object.entries(asked.columns)) {
      if (Array.isArray(wanted)) for (const value of wanted) parts.append(`is.${name}`, value);
      else {
        if (wanted.at_least !== undefined) parts.append(`from.${name}`, String(wanted.at_least));
        if (wanted.at_most !== undefined) parts.append(`to.${name}`, String(wanted.at_most));
      }
    }
    if (asked.hits !== 10) parts.append("hits", String(asked.hits));
    if (asked.note) parts.append("note", asked.note);
    const text = parts.toString();
    return text ? `#${text}` : "";
  }

  const hasFilters = (asked) =>
    asked.labels.length > 0 || asked.splits.length > 0 || Object.keys(asked.columns).length > 0;

  page.address = { empty, read, written, hasFilters };
})((globalThis.medembedPage ??= {}));
