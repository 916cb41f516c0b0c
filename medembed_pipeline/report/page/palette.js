/**
 * Colours and shapes that a person can tell apart with any kind of colour vision: those of Okabe and Ito, as in
 * the pictures. The first twelve pairs are the same as medembed_pipeline/pictures/palette.py.
 */
(function (page) {
  "use strict";

  const LIGHT = {
    blue: "#0072B2", orange: "#E69F00", green: "#009E73", vermillion: "#D55E00", sky: "#56B4E9", ink: "#333333",
    grey: "#8A8F98", pale: "#C4C8CE",
  };
  const DARK = { ...LIGHT, blue: "#2F93D6", ink: "#F1F3F5", grey: "#8A8F98", pale: "#4A515B" };

  /** Numbers that the shader knows; from 8 on hollow. */
  const SHAPES = {
    circle: 0, triangle: 1, square: 2, diamond: 3, down: 4, plus: 5, cross: 6, star: 7, ring: 8, hollow_triangle: 9,
    hollow_square: 10, hollow_diamond: 11, hollow_down: 12, hexagon: 13,
  };

  const FIRST = ["blue", "orange", "green"];
  const SECOND = ["vermillion", "sky", "ink"];
  const THIRD = ["orange", "green", "sky"];
  const FOURTH = ["blue", "vermillion", "ink"];
  const family = (colours, shape) => colours.map((colour) => ({ colour, shape }));

  /** 42 looks, the most frequent specialty first. */
  const LOOKS = [
    ...family(FIRST, "circle"),
    ...family(SECOND, "triangle"),
    { colour: "orange", shape: "square" }, { colour: "blue", shape: "diamond" }, { colour: "green", shape: "square" },
    { colour: "vermillion", shape: "diamond" }, { colour: "sky", shape: "square" }, { colour: "ink", shape: "diamond" },
    ...family(FIRST, "ring"), ...family(SECOND, "hollow_triangle"),
    ...family(THIRD, "hollow_square"), ...family(FOURTH, "hollow_diamond"),
    ...family(FIRST, "down"), ...family(SECOND, "plus"), ...family(THIRD, "cross"), ...family(FOURTH, "star"),
    ...family(SECOND, "hollow_down"), ...family(FIRST, "hexagon"),
  ];
  const OTHER = { colour: "grey", shape: "circle" };
  const NONE = { colour: "pale", shape: "circle" };

  /** From little to much: light to dark on a light page, dark to light on a dark one. */
  const RAMP = {
    light: ["#B9CFE4", "#86B3D6", "#4C90C2", "#1F66A3", "#0B3C6F"],
    dark: ["#2A4A68", "#356C9B", "#4C93CC", "#86BDEB", "#D3E9FB"],
  };

  const isDark = () => {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };

  const hex = (name) => (name.startsWith("#") ? name : (isDark() ? DARK : LIGHT)[name]);
  const ramp = () => (isDark() ? RAMP.dark : RAMP.light);

  /** "#0072B2" -> [0, 114, 178] */
  const channels = (name) => {
    const value = parseInt(hex(name).slice(1), 16);
    return [value >> 16, (value >> 8) & 255, value & 255];
  };

  const polygon = (corners) => `M${corners.map(([x, y]) => `${x.toFixed(2)},${y.toFixed(2)}`).join("L")}Z`;
  const turned = (sides, angle, radius) =>
    Array.from({ length: sides }, (_, side) => {
      const at = angle + (2 * Math.PI * side) / sides;
      return [radius * Math.cos(at), radius * Math.sin(at)];
    });

  /** Outline of a shape of radius 1 around (x, y), y downwards. @returns {string} SVG path data */
  function outline(shape, x, y, radius) {
    const place = (corners) => polygon(corners.map(([dx, dy]) => [x + radius * dx, y + radius * dy]));
    const arm = 0.32;
    const plus = [
      [-arm, -1], [arm, -1], [arm, -arm], [1, -arm], [1, arm], [arm, arm], [arm, 1], [-arm, 1], [-arm, arm], [-1, arm],
      [-1, -arm], [-arm, -arm],
    ];
    switch (shape.replace("hollow_", "")) {
      case "triangle": return place(turned(3, -Math.PI / 2, 1.1));
      case "down": return place(turned(3, Math.PI / 2, 1.1));
      case "square": return place([[-0.8, -0.8], [0.8, -0.8], [0.8, 0.8], [-0.8, 0.8]]);
      case "diamond": return place([[0, -1.1], [1.1, 0], [0, 1.1], [-1.1, 0]]);
      case "plus": return place(plus);
      case "cross": return place(plus.map(([dx, dy]) => [(dx - dy) * Math.SQRT1_2, (dx + dy) * Math.SQRT1_2]));
      case "star":
        return place(
          Array.from({ length: 12 }, (_, corner) => {
            const reach = corner % 2 ? 0.62 : 1.1;
            const angle = -Math.PI / 2 + (Math.PI * corner) / 6;
            return [reach * Math.cos(angle), reach * Math.sin(angle)];
          }),
        );
      case "hexagon": return place(turned(6, 0, 1));
      default: {
        const r = radius.toFixed(2);
        return `M${(x - radius).toFixed(2)},${y.toFixed(2)}a${r},${r} 0 1 0 ${(2 * radius).toFixed(2)},0a${r},${r} 0 1 0 ${(-2 * radius).toFixed(2)},0Z`;
      }
    }
  }

  const isHollow = (shape) => shape === "ring" || shape.startsWith("hollow_");

  /** The look of a legend entry as a small picture. */
  function symbol(look, size = 14) {
    const { svg } = page.base;
    const middle = size / 2;
    const hollow = isHollow(look.shape);
    const path = svg("path", {
      d: outline(look.shape, middle, middle, size * 0.36),
      fill: hollow ? "none" : hex(look.colour),
      stroke: hollow ? hex(look.colour) : "none",
      "stroke-width": hollow ? 2 : 0,
    });
    return svg("svg", { width: size, height: size, viewBox: `0 0 ${size} ${size}`, "aria-hidden": "true" }, path);
  }

  page.palette = { LOOKS, OTHER, NONE, SHAPES, isDark, hex, ramp, channels, outline, isHollow, symbol };
})((globalThis.medembedPage ??= {}));
