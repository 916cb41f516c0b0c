/** Helpers that every part of the page uses: elements whose content is always text, and number formats. */
(function (page) {
  "use strict";

  const SVG = "http://www.w3.org/2000/svg";

  /**
   * @param {Element} target
   * @param {Object<string, any>} attributes `on` holds listeners by event; null and false leave an attribute out.
   * @param {Array<Node|string|null|false>} children strings become text, never markup.
   */
  function fill(target, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (name === "on") {
        for (const [event, listener] of Object.entries(value)) target.addEventListener(event, listener);
      } else {
        target.setAttribute(name, value === true ? "" : String(value));
      }
    }
    for (const child of children.flat()) {
      if (child !== null && child !== undefined && child !== false) target.append(child);
    }
    return target;
  }

  /** @returns {HTMLElement} */
  function element(tag, attributes = {}, ...children) {
    return /** @type {HTMLElement} */ (fill(document.createElement(tag), attributes, children));
  }

  /** @returns {SVGElement} */
  function svg(tag, attributes = {}, ...children) {
    return /** @type {SVGElement} */ (fill(document.createElementNS(SVG, tag), attributes, children));
  }

  /** Empty an element and fill it again; null children are left out. */
  function refill(target, ...children) {
    target.replaceChildren();
    return fill(target, {}, children);
  }

  /** @param {any} value @returns {value is number} */
  const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

  /** 0.7312 -> "0.731", with a true minus sign; a missing figure is an en dash. */
  function number(value, digits = 3) {
    if (!isNumber(value)) return "–";
    const text = value.toFixed(digits);
    return text.startsWith("-") ? (Number(text) === 0 ? text.slice(1) : `−${text.slice(1)}`) : text;
  }

  /** With its sign: "+0.031", "−0.004", "0.000". */
  function signed(value, digits = 3) {
    if (!isNumber(value)) return "–";
    const text = number(value, digits);
    return Number(value.toFixed(digits)) > 0 ? `+${text}` : text;
  }

  const percent = (value, digits = 0) => (isNumber(value) ? `${number(100 * value, digits)}%` : "–");

  /** 12345 -> "12,345". */
  const count = (value) =>
    isNumber(value) ? String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",") : "–";

  /** "1 note", "2 notes". */
  const plural = (value, word, words = `${word}s`) => `${count(value)} ${value === 1 ? word : words}`;

  /** "0.71 to 0.78", or "" where there is no interval. */
  const interval = (low, high, digits = 3) =>
    isNumber(low) && isNumber(high) ? `${number(low, digits)} to ${number(high, digits)}` : "";

  /** A column name as words: "davies_bouldin" -> "davies bouldin". */
  const words = (name) => String(name).replaceAll("_", " ");

  const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

  /** "a, b and c". */
  const listed = (names) =>
    names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}`;

  /** Cut after a whole word. */
  function shortened(text, length) {
    const flat = text.slice(0, 4 * length + 200).replace(/\s+/g, " ").trim();
    if (flat.length <= length) return flat;
    const cut = flat.slice(0, length);
    const space = cut.lastIndexOf(" ");
    return `${space > length / 2 ? cut.slice(0, space) : cut} …`;
  }

  const wantsCalm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  /** Say it to a screen reader. */
  function announce(text) {
    const place = document.getElementById("announcement");
    if (place) place.textContent = text;
  }

  page.base = {
    element, svg, refill, isNumber, number, signed, percent, count, plural, interval, words, capital, listed, shortened,
    wantsCalm, announce,
  };

  /**
   * Declare a section of the page: `id`, `title`, `short` for the list of contents where the title is long, `after` which
   * other one it comes, and `show(app)`, which gives its content, or null where there is nothing to show. The one that comes
   * after no other is the first, and gives its whole element.
   */
  page.section = (declared) => { (page.declared ??= []).push(declared); };
})((globalThis.medembedPage ??= {}));
