/** Answers as elements; whatever came from a note becomes text, never markup. */
(function (page) {
  "use strict";

  const { element, refill, number, percent, words, shortened, plural } = page.base;
  const LABELS_SHOWN = 8;

  /**
   * @param {any} found of POST /search
   * @param {(id: string) => void} from
   * @param {string} asked the stored note asked about, or none
   * @param {Set<string>} same columns in which all notes say the same
   */
  function nearest(found, from, asked, same) {
    const place = document.querySelector("#near .content");
    if (!found.hits.length) {
      refill(place, element("p", {}, "No stored note passes the filters."));
      return;
    }
    refill(place, element("ol", { class: "near" }, found.hits.map((hit, rank) => one(hit, rank, from, asked, same))));
  }

  function one(hit, rank, from, asked, same) {
    const facts = [
      hit.split,
      ...Object.entries(hit.columns ?? {}).filter(([name]) => !same.has(name)).map(([name, values]) => `${words(name)} ${values.join(", ")}`),
    ].filter(Boolean);
    const name = hit.labels === null || hit.labels === undefined ? hit.note_id : hit.labels.join(", ") || "no label";
    return element("li", {},
      element("div", { class: "head" },
        element("span", { class: "rank" }, `${rank + 1}`),
        element("span", { class: "name" }, name),
        element("span", { class: "similarity", title: "cosine similarity" },
          element("meter", { min: 0, max: 1, value: Math.max(0, hit.similarity), "aria-hidden": "true" }), number(hit.similarity))),
      hit.text ? element("p", { class: "start" }, shortened(hit.text, 200)) : null,
      element("div", { class: "what" },
        asked && hit.note_id === asked ? element("span", { class: "same" }, "this very note") : null,
        facts.map((fact) => element("span", {}, fact)),
        hit.labels ? element("span", { class: "id" }, hit.note_id) : null),
      element("details", { class: "more" },
        element("summary", {}, "Whole note"),
        hit.text ? element("div", { class: "text" }, hit.text) : element("p", {}, "This key reads ids alone."),
        element("p", {}, element("button", { type: "button", class: "from-here", on: { click: () => from(hit.note_id) } },
          "Find notes similar to this one"))));
  }

  /** @param {any} answer of POST /classify, or what was refused */
  function labels(answer) {
    const place = document.querySelector("#labels .content");
    if (answer.refused) {
      refill(place, element("p", { class: "reading" }, answer.refused));
      return;
    }
    const found = answer.results[0];
    const shown = found.probabilities.slice(0, LABELS_SHOWN);
    refill(place,
      found.abstains
        ? element("p", { class: "abstains" }, element("strong", {}, "A person should look: "), `${found.reason}.`)
        : element("p", {}, element("strong", {}, found.labels.join(", ") || "No label is probable enough.")),
      element("p", { class: "reading" }, found.label_set.length
        ? `Marked: the ${plural(found.label_set.length, "label")} of its set, which lacks at most ${percent(answer.set_misses)} of a note's true labels on average.`
        : "Its set of possible labels is empty."),
      element("table", { class: "probable" }, element("tbody", {}, shown.map((one) =>
        element("tr", { class: found.label_set.includes(one.label) ? "in-set" : null },
          element("th", { scope: "row" }, one.label),
          element("td", {}, element("meter", { min: 0, max: 1, value: one.probability, "aria-hidden": "true" })),
          element("td", { class: "numeric" }, percent(one.probability)))))),
      found.probabilities.length > shown.length
        ? element("p", { class: "reading" }, `and ${found.probabilities.length - shown.length} less probable`) : null);
  }

  page.shown = { nearest, labels };
})((globalThis.medembedPage ??= {}));
