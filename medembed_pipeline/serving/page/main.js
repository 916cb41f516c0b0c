/** The page: a note, its nearest, its labels, its place. */
(function (page) {
  "use strict";

  const { element, refill, announce, count } = page.base;
  const { ask, useKey, Refused } = page.asking;
  const at = (id) => document.getElementById(id);

  let model = null;
  let asked = page.address.read(location.hash);
  /** Of the questions that were asked; an answer to an older one is dropped. */
  let turn = 0;
  /** Whether there is an answer on the page that filters change. */
  let answered = false;

  async function start() {
    try {
      model = await ask("/model");
    } catch (refused) {
      at("unlock").hidden = refused.status !== 401;
      at("subject").textContent = refused.status === 401 ? "A key is needed." : refused.message;
      if (refused.status === 503) setTimeout(start, 2000);
      document.documentElement.dataset.ready = "";
      return;
    }
    at("unlock").hidden = true;
    showModel();
    at("filters-box").open = page.address.hasFilters(asked);
    if (asked.note) await find();
    document.documentElement.dataset.ready = "";
  }

  function showModel() {
    refill(at("subject"), `${count(model.notes)} notes by checkpoint `, element("code", {}, model.checkpoint),
      ", snapshot ", element("code", {}, model.snapshot), `; the first ${count(model.max_tokens)} tokens of a note are read`);
    page.filters.show(model, asked, changed);
    page.triage.show(model.triage);
  }

  /** Filters, or the number of hits. */
  function changed(next) {
    asked = next;
    keep();
    const focused = [...at("filters").querySelectorAll("input, select, button")].indexOf(document.activeElement);
    page.filters.show(model, asked, changed);
    [...at("filters").querySelectorAll("input, select, button")][focused]?.focus();
    if (answered) find({ filtersAlone: true });
  }

  function keep() {
    history.replaceState(null, "", page.address.written(asked) || location.pathname);
  }

  /** From a stored note. */
  function from(id) {
    asked = { ...asked, note: id };
    at("note-text").value = "";
    page.triage.clear();
    at("triage").hidden = true;
    history.pushState(null, "", page.address.written(asked));
    find().then(() => document.querySelector("#near h2").focus());
  }

  /** @param {{filtersAlone?: boolean}} how for other filters a picture is not looked at again */
  async function find({ filtersAlone = false } = {}) {
    const triage = !filtersAlone && page.triage.given();
    const text = at("note-text").value;
    if (text.trim() || triage) asked = { ...asked, note: "" };
    const searches = Boolean(text.trim() || asked.note);
    if (!searches && !triage) {
      problem(model.triage ? "Paste a note or choose a picture first." : "Paste a note first.");
      at("note-text").focus();
      return;
    }
    keep();
    showFrom();
    const mine = (turn += 1);
    const button = document.querySelector("#question button.first");
    button.disabled = true;
    problem("");
    const readsText = model.scope === "text";
    const filters = page.address.hasFilters(asked) && readsText
      ? { labels: asked.labels, splits: asked.splits, columns: asked.columns } : {};
    const question = { hits: asked.hits, filters, include_text: readsText, ...(asked.note ? { note_ids: [asked.note] } : { texts: [text] }) };
    const before = performance.now();
    try {
      const [found, labels, level] = await Promise.all([
        searches ? ask("/search", question) : null, text.trim() ? labelsOf(text) : null, triage ? page.triage.ask(text) : null]);
      const took = performance.now() - before;
      const snapshot = (found ?? level).snapshot;
      // Another one was put in place meanwhile: what can be asked, and filtered by, may be another.
      if (snapshot && snapshot !== model.snapshot) { model = await ask("/model"); showModel(); }
      if (found && readsText && page.map.snapshot() !== snapshot) page.map.load(await ask("/map"), from);
      if (mine !== turn) return;
      if (level) page.triage.tell(level);
      if (!filtersAlone) at("triage").hidden = !level;
      at("results").hidden = !found;
      answered = Boolean(found);
      if (found) {
        at("map").hidden = !readsText;
        at("labels").hidden = labels === null;
        const same = (model.columns ?? []).filter((column) => column.values?.length === 1).map((column) => column.name);
        page.shown.nearest(found.results[0], from, found.results[0].stored_as, new Set(same));
        if (labels) page.shown.labels(labels);
        if (readsText) page.map.show(found.results[0]);
        announce(`${found.results[0].hits.length} notes found`);
      }
      at("answered").textContent = snapshot ? `Answered by snapshot ${snapshot} in ${Math.round(took)} ms.` : "";
    } catch (refused) {
      if (mine !== turn) return;
      if (!(refused instanceof Refused)) throw refused;
      at("unlock").hidden = refused.status !== 401;
      problem(refused.message);
    } finally {
      if (mine === turn) button.disabled = false;
    }
  }

  async function labelsOf(text) {
    try {
      return await ask("/classify", { texts: [text] });
    } catch (refused) {
      if (!(refused instanceof Refused)) throw refused;
      return { refused: refused.message };
    }
  }

  function showFrom() {
    at("from").hidden = !asked.note;
    refill(at("from"), "Notes similar to the stored note ", element("code", {}, asked.note));
  }

  function problem(text) {
    at("problem").textContent = text;
    at("problem").hidden = !text;
  }

  const THEMES = { "": "as the system", light: "light", dark: "dark" };
  function theme(name) {
    if (name) document.documentElement.dataset.theme = name;
    else delete document.documentElement.dataset.theme;
    at("theme").textContent = `Colours: ${THEMES[name]}`;
    page.map.draw();
  }

  function listen() {
    at("question").addEventListener("submit", (event) => { event.preventDefault(); find(); });
    at("note-text").addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); find(); }
    });
    at("empty").addEventListener("click", () => {
      turn += 1;
      at("note-text").value = "";
      page.triage.clear();
      at("triage").hidden = true;
      asked = { ...asked, note: "" };
      answered = false;
      keep(); showFrom(); problem("");
      at("results").hidden = true;
      at("answered").textContent = "";
      document.querySelector("#question button.first").disabled = false;
      at("note-text").focus();
    });
    at("unlock").addEventListener("submit", (event) => {
      event.preventDefault();
      useKey(at("key").value.trim());
      at("key").value = "";
      start().then(() => {
        if (model) at("note-text").focus();
        else at("unlock-said").textContent = "That is no key of this service.";
      });
    });
    at("theme").addEventListener("click", () => {
      const names = Object.keys(THEMES);
      theme(names[(names.indexOf(document.documentElement.dataset.theme ?? "") + 1) % names.length]);
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", page.map.draw);
    addEventListener("popstate", () => {
      asked = page.address.read(location.hash);
      if (!model) return;
      page.filters.show(model, asked, changed);
      if (asked.note) { at("note-text").value = ""; page.triage.clear(); find(); }
      else showFrom();
    });
    page.map.listen();
    page.triage.listen();
    theme("");
  }

  listen();
  start();
})((globalThis.medembedPage ??= {}));
