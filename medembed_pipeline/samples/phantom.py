"""A drawn chest picture: anatomy by formulas, opacities, the heart's size, exposure, rotation and noise.

Densities add up as on film: what absorbs is bright. The picture says that it is drawn, on its face.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from medembed_pipeline.samples.case_plan import DrawnCase

SIDE = 192
"""Pixels of a drawn picture to each side."""
MARK = "DRAWN, NOT A PATIENT"

_ZONES = {"upper": -0.32, "middle": -0.02, "lower": 0.27}
_RIBS = 9

FloatArray = npt.NDArray[Any]
"""float32 [SIDE, SIDE]; numpy cannot say of its results that they stay so."""


@dataclass(frozen=True)
class Opacity:
    """A patch in a lung: `side` is the patient's left or right, `zone` upper, middle or lower."""

    side: str
    zone: str
    radius: float
    density: float


@dataclass(frozen=True)
class _Body:
    """What two pictures of one patient share; lengths in halves of the picture."""

    width: float
    lung_height: float
    rib_gap: float
    rib_slope: float
    heart_turn: float
    fat: float


def _generator(*numbers: int) -> np.random.Generator:
    return np.random.default_rng(list(numbers))


def opacities(case: DrawnCase, seed: int) -> tuple[Opacity, ...]:
    """The opacities of a case: none, one small one, or several large ones in both lungs."""
    random = _generator(seed, case.patient, case.visit, 1)
    sides, zones = ("right", "left"), tuple(_ZONES)
    if case.extent == 0:
        return ()
    if case.extent == 1:
        side, zone = sides[random.integers(2)], zones[random.integers(3)]
        return (Opacity(side, zone, random.uniform(0.13, 0.18), random.uniform(0.17, 0.24)),)
    chosen = [(side, zones[place]) for side in sides for place in sorted(random.permutation(3)[:2].tolist())]
    return tuple(
        Opacity(side, zone, random.uniform(0.18, 0.27), random.uniform(0.17, 0.26)) for side, zone in chosen
    )


def draw_picture(case: DrawnCase, seed: int) -> Image.Image:
    """The picture of a case, 8-bit grey, SIDE x SIDE. The same case and seed give the same pixels.

    Parameters
    ----------
    case
        its hidden states.
    seed
        of the corpus.
    """
    random = _generator(seed, case.patient, case.visit, 0)
    body = _body(_generator(seed, case.patient, 9))
    x, y = _turned(random.normal(0.0, 2.2), random.normal(0.0, 0.02), random.normal(0.0, 0.02))
    middle = _middle(x, y, body, case, random)
    lungs = {
        name: _lung(x, y, body, side=side) * (1 - 0.9 * middle) for name, side in (("right", -1), ("left", 1))
    }
    air = lungs["right"] + lungs["left"]
    film = _soft_tissue(x, y, body) - 0.42 * air + 0.07 * middle * _step(0.50 - y, 0.12)
    film += _bones(x, y, body, random) * (1 - 0.45 * middle)
    film += _vessels(x, y, random) * air
    for patch in opacities(case, seed):
        film += _patch(x, y, patch, lungs[patch.side], random)
    film -= 0.10 * _disc(x, y, 0.36, 0.66, 0.11, 0.07, 0.25)  # air in the stomach
    return _exposed(film, case, random)


def _body(random: np.random.Generator) -> _Body:
    return _Body(
        width=random.uniform(0.66, 0.74),
        lung_height=random.uniform(0.58, 0.66),
        rib_gap=random.uniform(0.125, 0.145),
        rib_slope=random.uniform(0.22, 0.38),
        heart_turn=random.uniform(-0.45, -0.15),
        fat=random.uniform(0.0, 0.08),
    )


@cache
def _grid() -> tuple[FloatArray, FloatArray]:
    line = ((np.arange(SIDE) + 0.5) / SIDE * 2 - 1).astype(np.float32)
    x, y = np.meshgrid(line, line)
    return x, y


@cache
def _font() -> Any:
    return ImageFont.load_default()


def _turned(degrees: float, right: float, down: float) -> tuple[FloatArray, FloatArray]:
    x, y = _grid()
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return cosine * x + sine * y - right, cosine * y - sine * x - down


def _step(value: FloatArray, softness: float) -> FloatArray:
    """0 below zero, 1 above, smooth in between."""
    return np.clip(0.5 + value / (2 * softness), 0.0, 1.0)


def _disc(
    x: FloatArray, y: FloatArray, at_x: float, at_y: float, wide: float, high: float, softness: float
) -> FloatArray:
    return _step(1 - ((x - at_x) / wide) ** 2 - ((y - at_y) / high) ** 2, softness)


def _soft_tissue(x: FloatArray, y: FloatArray, body: _Body) -> FloatArray:
    shoulders = np.clip((y + 0.95) / 0.42, 0.0, 1.0)
    half = 0.20 + (body.width + 0.14 + body.fat - 0.20) * np.sqrt(shoulders)
    inside = _step(half - np.abs(x), 0.03)
    rounded = np.sqrt(np.clip(1 - (x / (half + 0.12)) ** 2, 0.05, 1.0))
    below = 0.10 * _step(y - 0.55, 0.25)
    # The arms, which the film cuts off.
    arms = (
        _step(np.abs(x) - half - 0.03, 0.03) * _step(y + 0.52, 0.2) * _step(1.25 - np.abs(x) - 0.22 * y, 0.05)
    )
    return inside * (0.34 + 0.24 * rounded + below) + 0.30 * arms


def _lung(x: FloatArray, y: FloatArray, body: _Body, *, side: int) -> FloatArray:
    """How much air there is, 0 to 1: an egg with its point up, cut below by the dome of the diaphragm."""
    at_x = side * (body.width * 0.53)
    narrow = body.width * 0.46 * (1 - 0.28 * np.clip(-(y + 0.1), 0.0, 1.0))
    egg = 1 - np.square((x - at_x) / narrow) - np.square(np.square((y + 0.07) / body.lung_height))
    bottom = 0.47 - 0.04 * (side < 0) - 0.11 * (1 - ((x - at_x) / narrow) ** 2)
    return _step(egg, 0.10) * _step(bottom - y, 0.022)


def _bones(x: FloatArray, y: FloatArray, body: _Body, random: np.random.Generator) -> FloatArray:
    bones = 0.07 * _step(0.055 - np.abs(x), 0.02) * (1 + 0.25 * np.sin(y * (2 * math.pi / 0.115)))
    out = np.abs(x)
    chest = _step(body.width + 0.02 - out, 0.03) * _step(out - 0.05, 0.02)
    arch = body.rib_slope * (out - 0.06) - 0.10 * np.sin(np.clip(out / body.width, 0, 1) * math.pi)
    seen = _step(out - 0.26, 0.08) * _step(body.width - out, 0.03)
    behind, before = np.zeros_like(x), np.zeros_like(x)
    for rib in range(_RIBS):
        top = -0.70 + rib * body.rib_gap
        behind += _step(0.024 - np.abs(y - (top + arch)), 0.012)
        if 1 <= rib <= 5:
            before += _step(0.022 - np.abs(y - (top + 0.461 - 0.55 * out)), 0.014)
    bones += 0.060 * chest * behind + 0.030 * seen * before
    tilt = 0.20 + random.normal(0.0, 0.03)
    collar = -0.60 - tilt * (out - 0.06) + 0.05 * np.sin(out * 7)
    bones += (
        0.12 * _step(0.024 - np.abs(y - collar), 0.012) * _step(out - 0.07, 0.02) * _step(0.62 - out, 0.04)
    )
    blade = _step(0.02 - np.abs(out - body.width - 0.04 + 0.25 * (y + 0.3)), 0.02)
    return bones + 0.05 * blade * _step(0.30 - np.abs(y + 0.33), 0.08)


def _vessels(x: FloatArray, y: FloatArray, random: np.random.Generator) -> FloatArray:
    """Branches that run out from the hilum and grow thin, as smooth noise that is stretched along them."""
    out = np.hypot(np.abs(x) - 0.16, y + 0.02)
    angle = np.arctan2(y + 0.02, np.abs(x) - 0.16)
    phase = random.uniform(0, 2 * math.pi, 4).astype(np.float32)
    lines = np.sin(11 * angle + phase[0] + 3 * out) + np.sin(17 * angle + phase[1] - 5 * out)
    lines += np.sin(29 * angle + phase[2] + 4 * np.sign(x)) + np.sin(23 * angle + phase[3])
    hilum = 0.13 * np.exp(-((out / 0.13) ** 2))
    return hilum + 0.045 * np.clip(lines, 0, None) * np.exp(-out / 0.26)


def _middle(
    x: FloatArray, y: FloatArray, body: _Body, case: DrawnCase, random: np.random.Generator
) -> FloatArray:
    """Mediastinum, knuckle of the aorta and heart, 0 to 1. The heart's width to the chest's: 0.40 to 0.48, or 0.57
    to 0.67."""
    share = random.uniform(0.57, 0.67) if case.large_heart else random.uniform(0.40, 0.48)
    wide = share * body.width * (1.05 if case.view == "AP" else 1.0)
    high = wide * random.uniform(0.70, 0.80)
    turn = body.heart_turn
    at_x, at_y = 0.30 * wide, 0.44 - 0.80 * high
    along = np.cos(turn) * (x - at_x) - np.sin(turn) * (y - at_y)
    across = np.sin(turn) * (x - at_x) + np.cos(turn) * (y - at_y)
    heart = _step(1 - (along / wide) ** 2 - (across / high) ** 2, 0.09)
    band = _step(0.13 + 0.03 * y - np.abs(x - 0.01), 0.03) * _step(0.52 - y, 0.1) * _step(y + 0.75, 0.15)
    knuckle = _disc(x, y, 0.13, -0.33, 0.085, 0.095, 0.3)
    windpipe = _step(0.035 - np.abs(x), 0.02) * _step(-0.25 - y, 0.06)
    return np.maximum(np.maximum(heart, 0.9 * band), 0.8 * knuckle) * (1 - 0.5 * windpipe)


def _patch(
    x: FloatArray, y: FloatArray, patch: Opacity, lung: FloatArray, random: np.random.Generator
) -> FloatArray:
    """A cloud inside the lung: a soft disc whose edge and density waver."""
    side = -1 if patch.side == "right" else 1
    at_x = side * (0.36 + random.normal(0.0, 0.03))
    at_y = _ZONES[patch.zone] + random.normal(0.0, 0.03)
    angle = np.arctan2(y - at_y, x - at_x)
    edge = 1 + sum(random.uniform(0.04, 0.13) * np.sin(k * angle + random.uniform(0, 6.3)) for k in (2, 3, 5))
    away = np.hypot(x - at_x, (y - at_y) * random.uniform(0.85, 1.15)) / (patch.radius * edge)
    mottled = 1 + 0.22 * _smooth_noise(random, 7)
    return patch.density * np.exp(-(np.square(np.square(away / 0.95)))) * mottled * lung


def _smooth_noise(random: np.random.Generator, cells: int) -> FloatArray:
    """Noise of about unit size whose grains are 1/cells of the picture."""
    coarse = Image.fromarray(random.standard_normal((cells * 4, cells * 4), dtype=np.float32))
    return np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC), dtype=np.float32)


def _exposed(film: FloatArray, case: DrawnCase, random: np.random.Generator) -> Image.Image:
    """The film as it is developed: exposure, scatter, grain, and what the office writes on it."""
    x, y = _grid()
    brightness, contrast = random.normal(0.04, 0.03), random.normal(1.12, 0.07)
    uneven = random.normal(0.0, 0.02, 2)
    seen = (film + uneven[0] * x + uneven[1] * y) * contrast + brightness
    seen += 0.010 * _smooth_noise(random, 24) + 0.010 * random.standard_normal(seen.shape, dtype=np.float32)
    # The two wards' machines develop differently; that says nothing of the patient.
    # The brightest is compressed, as film does.
    seen = np.clip(seen, 0.0, None)
    seen = np.where(seen > 0.7, 1.0 - 0.3 * np.exp(-(seen - 0.7) / 0.3), seen)
    seen = seen ** (0.92 if case.source == "ward B" else 1.04)
    picture = Image.fromarray((seen * 255).round().astype(np.uint8))
    picture = picture.filter(ImageFilter.GaussianBlur(0.55))
    pen = ImageDraw.Draw(picture)
    font = _font()
    pen.rectangle((0, SIDE - 15, SIDE, SIDE), fill=12)
    pen.text((4, SIDE - 14), MARK, fill=190, font=font)
    pen.text((SIDE - 20, SIDE - 14), case.view, fill=190, font=font)
    pen.text((SIDE - 12, 3), "L", fill=200, font=font)
    if case.marked >= 0:
        left = 20 + 40 * case.marked
        pen.rectangle((left, 4, left + 9, 10), fill=235)
    return picture
