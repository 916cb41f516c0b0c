/** A picture beside the note, and its triage. The picture stays in this tab's memory, and goes to the service alone. */
(function (page) {
  "use strict";

  const { element, refill, percent, words } = page.base;
  const at = (id) => document.getElementById(id);
  const ARMS = {
    note: "the note", picture: "the picture", metadata: "what is known besides", late_fusion: "late fusion of note and picture",
    concatenated: "note and picture concatenated", gated: "gated fusion of note and picture",
  };

  let model = null;
  /** Base64 of the chosen file; "" for none. */
  let picture = "";

  /** @param {any} told the triage model of GET /model, or none */
  function show(told) {
    model = told;
    at("picture-box").hidden = !told;
    refill(at("case-columns"), (told?.metadata ?? []).map((column) =>
      element("label", {}, words(column.name), column.values
        ? element("select", { name: column.name }, ["", ...column.values].map((value) => element("option", { value }, value || "not said")))
        : element("input", { name: column.name, autocomplete: "off", inputmode: column.numbers ? "decimal" : null }))));
    at("case-box").hidden = !told?.metadata.length;
  }

  const given = () => picture !== "";

  function keep(chosen) {
    picture = chosen;
    document.querySelector("#question button.first").textContent = chosen ? "Ask about note and picture" : "Find similar notes";
  }

  function clear() {
    keep("");
    at("picture").value = "";
    at("preview").removeAttribute("src");
    at("preview").hidden = at("picture-away").hidden = true;
    for (const field of at("case-columns").querySelectorAll("input, select")) field.value = "";
  }

  function take(file) {
    if (!file) return;
    const reader = new FileReader();
    reader.addEventListener("load", () => {
      const address = String(reader.result);
      keep(address.slice(address.indexOf(",") + 1));
      at("preview").src = address;
      at("preview").hidden = !/^data:image\/(png|jpeg);/.test(address);
      at("picture-away").hidden = false;
      page.base.announce("picture chosen");
    });
    reader.readAsDataURL(file);
  }

  /** @param {string} text @returns {Promise<any>} the answer, or what was refused */
  async function ask(text) {
    const fields = [...at("case-columns").querySelectorAll("input, select")].filter((field) => field.value.trim());
    const metadata = Object.fromEntries(fields.map((field) => [field.name, field.value.trim()]));
    const one = { picture, metadata, ...(text.trim() ? { note: text } : {}) };
    try {
      return await page.asking.ask("/triage", { cases: [one] });
    } catch (refused) {
      if (!(refused instanceof page.asking.Refused)) throw refused;
      return { refused: refused.message };
    }
  }

  /** @param {any} answer of POST /triage, or what was refused */
  function tell(answer) {
    const place = document.querySelector("#triage .content");
    if (answer.refused) {
      refill(place, element("p", { class: "abstains" }, answer.refused));
      return;
    }
    const found = answer.results[0];
    const doubted = ["confounded", "inconclusive"].includes(answer.verdict);
    refill(place,
      found.level
        ? element("p", {}, element("strong", {}, found.level), `, by ${ARMS[found.arm] ?? found.arm}.`)
        : element("p", {}, "No arm of the model can see this case."),
      element("p", { class: doubted ? "abstains" : "reading" }, answer.sentence),
      found.arms.length ? levels(answer, found) : null,
      element("p", { class: "abstains not-medical" }, answer.bundled
        ? "The bundled models that see note and picture are not medical models. No decision about a patient may rest on this."
        : "This is no medical device. No decision about a patient may rest on this."));
  }

  function levels(answer, found) {
    return element("div", { class: "scroll" }, element("table", { class: "arms" },
      element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "What sees it"),
        answer.levels.map((level) => element("th", { scope: "col", class: "numeric" }, level)))),
      element("tbody", {}, found.arms.map((one, rank) =>
        element("tr", { class: rank ? null : "answers" }, element("th", { scope: "row" }, ARMS[one.arm] ?? one.arm),
          one.probabilities.map((said) => element("td", { class: `numeric${said.level === one.level ? " likeliest" : ""}` },
            percent(said.probability))))))));
  }

  function listen() {
    at("picture").addEventListener("change", (event) => take(event.target.files[0]));
    at("picture-away").addEventListener("click", () => { clear(); at("picture").focus(); });
    // Dropped beside the box, a file would be opened by the browser, with its name in the address.
    for (const kind of ["dragover", "drop"]) {
      addEventListener(kind, (event) => {
        if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
        event.preventDefault();
        if (kind === "drop" && model) take(event.dataTransfer.files[0]);
      });
    }
  }

  page.triage = { show, given, clear, ask, tell, listen };
})((globalThis.medembedPage ??= {}));
