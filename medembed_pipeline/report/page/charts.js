/** Figures as they are specified, drawn as inline SVG for the width they have, in the colours of the style sheet. */
(function (page) {
  "use strict";
  const { element } = page.base;

  /** Below this, names stand above their lines. */
  const NARROW = 600;
  const OPTIONS = { mode: "vega-lite", ast: true, actions: false, defaultStyle: false, renderer: "svg", tooltip: tell };
  const tip = element("div", { class: "tip pointed", hidden: true });
  let last = Promise.resolve();

  /** One drawing after another, with a pause between them, so that the page can be used meanwhile. */
  function queued(draw) {
    last = last.then(() => new Promise((resolve) => setTimeout(resolve, 0))).then(draw)
      .catch((error) => setTimeout(() => { throw error; }, 0));
    return last;
  }

  /** What the pointer is on, in words, beside it. */
  function tell(_, event, __, words) {
    tip.hidden = words === null || words === undefined || words === "";
    if (tip.hidden) return;
    if (!tip.isConnected) document.body.append(tip);
    tip.textContent = String(words);
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 12, document.documentElement.clientWidth - width - 4))}px`;
    tip.style.top = `${event.clientY + 16 + height > innerHeight ? event.clientY - height - 10 : event.clientY + 16}px`;
  }

  /** A specification with the style sheet's colours in place of their names. */
  function coloured(value, styles) {
    if (typeof value === "string") return value.startsWith("--") ? styles.getPropertyValue(value).trim() : value;
    if (Array.isArray(value)) return value.map((one) => coloured(one, styles));
    if (!value || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, coloured(one, styles)]));
  }

  /**
   * A figure as it is specified: its name, how to read it, what a reader may choose, and its chart in the width it gets, drawn
   * when it comes near to the screen.
   * @returns {HTMLElement|null} null where the page has no such figure
   */
  function specified(app, asset, name) {
    const { figures, look } = app.report.payload;
    const given = figures?.[asset]?.[name];
    if (!given) return null;
    const { store } = app;
    const chosen = {};
    const choose = ({ field, chosen: first, state, options }) => {
      chosen[field] = state && options.some(([value]) => value === store.state[state]) ? store.state[state] : first;
    };
    given.choices.forEach(choose);
    const pickers = given.choices.map(({ label, field, options, state }) => (options.length < 2 ? null
      : page.tables.choice(label, options, chosen[field], (value) => {
        if (state) store.set({ [state]: value });
        else chosen[field] = value;
        made.redraw();
      })));
    const plot = element("div", { class: "plot" });
    const made = element("figure", {}, element("figcaption", {}, element("h3", {}, given.title), element("p", { class: "reading" }, given.reading)),
      pickers, plot);
    let [near, drawn, view] = [false, "", null];

    async function draw() {
      const width = Math.floor(plot.getBoundingClientRect().width);
      const styles = getComputedStyle(document.documentElement);
      const state = JSON.stringify([width, chosen, styles.getPropertyValue("--surface")]);
      if (!width || state === drawn) return;
      drawn = state;
      const rows = (all) => all.filter((row) => Object.entries(chosen).every(([field, value]) => (row[field] ?? value) === value));
      const spec = width < NARROW ? given.narrow ?? given.wide : given.wide;
      const place = element("div", {});
      const embedded = await globalThis.vegaEmbed(place, {
        ...coloured({ ...spec, config: look }, styles), ...(spec.width || spec.facet ? {} : { width, autosize: { type: "fit-x", contains: "padding" }, padding: { left: 2, top: 5, right: 12, bottom: 5 } }),
        datasets: Object.fromEntries(Object.entries(given.data).map(([key, all]) => [key, rows(all)])),
      }, OPTIONS);
      view?.finalize();
      view = embedded.view;
      const chart = place.querySelector("svg");
      for (const [key, value] of [["class", "chart"], ["role", "img"], ["aria-label", given.label]]) chart.setAttribute(key, value);
      plot.replaceChildren(place);
      plot.style.minHeight = "";
    }

    made.redraw = () => {
      near = true;
      return queued(draw);
    };
    // Room for it, so that what stands below does not move.
    const { height = 300 } = given.wide;
    plot.style.minHeight = `${height.step ? 60 + height.step * (1 + Math.max(...Object.values(given.data).flat().map((row) => row.row ?? 0))) : 60 + height}px`;
    if (given.choices.some(({ state }) => state)) {
      store.listen((_, changed) => {
        if (!given.choices.some(({ state }) => changed.has(state))) return;
        given.choices.forEach((one, at) => {
          choose(one);
          pickers[at]?.press(chosen[one.field]);
        });
        made.redraw();
      });
    }
    new ResizeObserver(() => { if (near) queued(draw); }).observe(plot);
    new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting)) made.redraw(); }, { rootMargin: "100% 0px" }).observe(plot);
    return made;
  }

  page.charts = { specified };
})((globalThis.medembedPage ??= {}));
