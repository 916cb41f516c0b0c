"""Colours and shapes for specialties, which a person can tell apart with any kind of colour vision.

The colours are those of Okabe and Ito (Color Universal Design, 2008), without the yellow that vanishes on
a light background. Colours that share a shape differ by at least 45 CIELAB units with normal vision,
protanopia and deuteranopia; the shapes tell the others apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
VERMILLION, SKY_BLUE, NEARLY_BLACK = "#D55E00", "#56B4E9", "#333333"

TEXT = "#222222"
MUTED_TEXT = "#5F6368"
GRID = "#E3E6EA"
BASELINE_COLOR = "#8A8F98"
TUNED_COLOR = BLUE
WORSE_COLOR = VERMILLION

PAPER = {
    "--font": "Liberation Sans",
    "--surface": "#ffffff",
    "--text": "#1f2328",
    "--muted": "#5a6169",
    "--line": "#dde1e6",
    "--grid": "#e8ebef",
    "--soft": "#eef2f6",
    "--baseline": "#868c95",
    "--tuned": "#0072b2",
    "--tuned-text": "#00619a",
    "--worse": "#d55e00",
    "--worse-text": "#a94700",
    "--third": "#009e73",
    "--fourth": "#b0740a",
    "--blue": BLUE,
    "--orange": ORANGE,
    "--green": GREEN,
    "--vermillion": VERMILLION,
    "--sky": SKY_BLUE,
    "--ink": NEARLY_BLACK,
    "--grey": "#9aa0a8",
    "--pale": "#c4c8ce",
    "--heat-low": "#f4f7fa",
    "--heat-high": "#0b3c6f",
    "--heat-below": "#be4a00",
}
"""What the page's style sheet calls its colours, as they are in the light; figures are specified in these names."""

COMBINATIONS: tuple[tuple[str, str], ...] = (
    (BLUE, "o"),
    (ORANGE, "o"),
    (GREEN, "o"),
    (VERMILLION, "^"),
    (SKY_BLUE, "^"),
    (NEARLY_BLACK, "^"),
    (ORANGE, "s"),
    (BLUE, "D"),
    (GREEN, "s"),
    (VERMILLION, "D"),
    (SKY_BLUE, "s"),
    (NEARLY_BLACK, "D"),
)
"""(colour, matplotlib marker), the most frequent specialty first."""

OTHER = "other specialties"
NO_SPECIALTY = "no specialty"
_OTHER_LOOK = ("#9AA0A8", "x")
_NO_SPECIALTY_LOOK = ("#D3D6DB", ".")


class Style(NamedTuple):
    """How the notes of one legend entry are drawn; `notes` is the number of notes it stands for."""

    name: str
    color: str
    marker: str
    notes: int


def specialty_order(specialties: Mapping[str, Sequence[str]]) -> list[str]:
    """All specialties, the most frequent first, then by name. Keys are note ids."""
    counts = Counter(name for names in specialties.values() for name in set(names))
    return sorted(counts, key=lambda name: (-counts[name], name))


def legend_styles(
    specialties: Mapping[str, Sequence[str]], *, most: int = len(COMBINATIONS)
) -> tuple[list[Style], dict[str, int]]:
    """A style for each of the most frequent specialties, one for the others, one for notes without any.

    A note of several specialties counts, and is shown, as the one of them that most notes are filed under.
    The same notes always give the same styles.

    Parameters
    ----------
    specialties
        specialty names by note id.
    most
        how many specialties get their own style, at most the number of COMBINATIONS.

    Returns
    -------
    tuple[list[Style], dict[str, int]]
        The styles in legend order (empty ones left out), and the position of each note's style by note id.
    """
    rank = {name: position for position, name in enumerate(specialty_order(specialties))}
    shown = {
        note_id: min(names, key=rank.__getitem__) if names else NO_SPECIALTY
        for note_id, names in specialties.items()
    }
    counts = Counter(shown.values())
    without = counts.pop(NO_SPECIALTY, 0)
    order = sorted(counts, key=lambda name: (-counts[name], name))
    named = order[: min(most, len(COMBINATIONS))]
    styles = [Style(name, *look, counts[name]) for name, look in zip(named, COMBINATIONS, strict=False)]
    others = sum(counts[name] for name in order[len(named) :])
    if others:
        styles.append(Style(OTHER, *_OTHER_LOOK, others))
    if without:
        styles.append(Style(NO_SPECIALTY, *_NO_SPECIALTY_LOOK, without))
    position = {name: place for place, name in enumerate(named)}
    position[NO_SPECIALTY] = len(styles) - 1
    return styles, {note_id: position.get(name, len(named)) for note_id, name in shown.items()}
