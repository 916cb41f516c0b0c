/** Puts the page together: the map first, then one section after another, so that the first look comes fast. */
(function (page) {
  "use strict";
  const { element } = page.base;

  /** The sections that the rooms have declared, each behind the one it names; without such a one, before the last. */
  function ordered(declared) {
    const found = [];
    const place = ({ after }) => found.findIndex(({ id }) => id === after);
    for (let waiting = [...declared]; waiting.length;) {
      const next = waiting.find((one) => !one.after || place(one) >= 0) ?? waiting[0];
      waiting = waiting.filter((one) => one !== next);
      found.splice(place(next) >= 0 ? place(next) + 1 : found.length - 1, 0, next);
    }
    return found;
  }

  const pause = () => new Promise((resolve) => setTimeout(resolve, 0));
  const idle = () => new Promise((resolve) => (globalThis.requestIdleCallback ?? setTimeout)(resolve));

  class App {
    constructor(report) {
      this.report = report;
      const maps = report.payload.maps;
      this.store = new page.state.Store(page.state.defaults(maps.length ? page.mapview.firstMap(maps).key : ""));
      this.mapview = null;
      this.cases = null;
    }

    /** Open a note by its place in the report. */
    open(at) {
      this.store.set({ note: this.report.notes.id[at], case: "" }, true);
    }

    close() {
      if (this.store.state.note) this.store.set({ note: "" }, true);
    }

    /** Open a case by its id. */
    openCase(id) {
      this.store.set({ case: id, note: "" }, true);
    }

    closeCase() {
      if (this.store.state.case) this.store.set({ case: "" }, true);
    }

    goTo(id) {
      const target = document.getElementById(id);
      if (!target) return;
      for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
      // At once: charts that a smooth scroll passes are drawn and grow, and it would end beside its target.
      target.scrollIntoView({ block: "start" });
      const heading = target.matches("section") ? target.querySelector("h2") : target;
      heading?.setAttribute("tabindex", "-1");
      heading?.focus({ preventScroll: true });
    }
  }

  function section(id, title, content) {
    return element("section", { id, "aria-labelledby": `${id}-title` }, element("h2", { id: `${id}-title` }, title), content);
  }

  function listContents(app, entries) {
    const root = document.getElementById("contents");
    const wide = matchMedia("(min-width: 1180px)");
    const fit = () => { root.open = wide.matches; };
    wide.addEventListener("change", fit);
    fit();
    root.querySelector("ul").replaceChildren(...entries.map(([id, name]) => element("li", {}, element("a", { href: `#at=${id}` }, name))));
    root.addEventListener("click", (event) => { if (event.target.closest("a") && !wide.matches) root.open = false; });
    if (!("IntersectionObserver" in globalThis)) return;
    const seen = new IntersectionObserver((changes) => {
      for (const { target, isIntersecting } of changes) {
        if (!isIntersecting) continue;
        for (const link of root.querySelectorAll("a")) {
          if (link.getAttribute("href") === `#at=${target.id}`) link.setAttribute("aria-current", "true");
          else link.removeAttribute("aria-current");
        }
      }
    }, { rootMargin: "-15% 0px -75% 0px" });
    for (const [id] of entries) {
      const target = document.getElementById(id);
      if (target) seen.observe(target);
    }
  }

  /** The button that goes from the system's colours to light, to dark, and back. */
  function themes(app) {
    const button = document.getElementById("theme");
    const names = { "": "colours: system", light: "colours: light", dark: "colours: dark" };
    const order = ["", "light", "dark"];
    const stored = () => { try { return localStorage.getItem("medembed theme") ?? ""; } catch { return ""; } };
    const apply = (chosen) => {
      if (chosen) document.documentElement.dataset.theme = chosen;
      else delete document.documentElement.dataset.theme;
      button.textContent = names[chosen] ?? names[""];
      repaint(app);
    };
    button.addEventListener("click", () => {
      const next = order[(order.indexOf(document.documentElement.dataset.theme ?? "") + 1) % order.length];
      try { localStorage.setItem("medembed theme", next); } catch { /* a page without storage forgets the choice */ }
      apply(next);
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => repaint(app));
    apply(order.includes(stored()) ? stored() : "");
  }

  /** Colours that scripts have drawn do not follow the style sheet by themselves. */
  function repaint(app) {
    const view = app.mapview;
    if (view) {
      const { state } = app.store;
      view.viewer.paint(page.schemes.scheme(app.report, state.colour, view.viewer.model, view.chosen()));
      view.drawLegend();
    }
    app.cases?.repaint();
    for (const figure of document.querySelectorAll("figure")) figure.redraw?.();
  }

  /** Links to sections keep the rest of the address. */
  function followLinks(app) {
    document.addEventListener("click", (event) => {
      const link = event.target.closest?.('a[href^="#at="]');
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      const at = link.getAttribute("href").slice(4);
      if (app.store.state.at === at) app.goTo(at);
      else app.store.set({ at }, true);
    });
    app.store.listen((state, changed) => { if (changed.has("at") && state.at) app.goTo(state.at); });
  }

  async function start() {
    const main = document.getElementById("main");
    const packed = document.getElementById("payload");
    const texts = document.getElementById("texts");
    const payload = await page.data.unpacked(packed.textContent.trim());
    packed.remove();
    const report = new page.data.Report(payload, texts.textContent.trim(), texts.dataset.file);
    texts.remove();
    const app = new App(report);
    page.app = app;
    document.getElementById("subject").textContent =
      `${report.models.baseline} and ${report.models.tuned} · ${page.base.plural(report.size, "note")} · scored on ${payload.scored}`;
    // The first look is the verdict and the map; the rest follows.
    const [first, ...rest] = ordered(page.declared ?? []);
    main.replaceChildren(first.show(app));
    const entries = [[first.id, first.title]];
    if (payload.maps.length) {
      const place = section("map", "The map", []);
      main.append(place);
      app.mapview = new page.mapview.MapView(app);
      place.append(app.mapview.root);
      app.mapview.viewer.resize();
      entries.push(["map", "Map"]);
    }
    themes(app);
    app.panel = new page.panel.Panel(app, document.getElementById("note"));
    if (app.mapview) {
      app.mapview.viewer.ties = (model) => app.panel.ties(model);
      app.mapview.viewer.redraw();
    }
    followLinks(app);
    for (const { id, title, short, show } of rest) {
      await pause();
      const content = show(app);
      if (!content) continue;
      main.append(section(id, title, content));
      entries.push([id, short ?? title]);
    }
    listContents(app, entries);
    if (app.store.state.at) app.goTo(app.store.state.at);
    document.documentElement.dataset.ready = "true";
    page.readyAt = performance.now();
    // What nobody has come to yet is drawn meanwhile: for print, and for who searches the page.
    for (const figure of document.querySelectorAll("figure")) {
      await idle();
      await figure.redraw?.();
    }
  }

  start().catch((error) => {
    const place = document.getElementById("main");
    place.replaceChildren(element("p", { class: "warning", role: "alert" }, `The report cannot be shown: ${error.message}`));
    throw error;
  });
})((globalThis.medembedPage ??= {}));
