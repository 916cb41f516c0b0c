"""How much of the tuned model is taken: its weights averaged with the base model's.

Reference: M. Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022 (WiSE-FT).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from medembed_pipeline.training.settings import TrainingSettings
from medembed_pipeline.training.validation import EpochChoice

if TYPE_CHECKING:
    import torch

    Weights = Mapping[str, torch.Tensor]
Row = dict[str, Any]


def averaged(base: Weights, tuned: Weights, share: float) -> dict[str, torch.Tensor]:
    """share * tuned + (1 - share) * base, for each floating-point tensor; the others are the base model's.

    Parameters
    ----------
    base, tuned
        by the same names, of the same shapes.
    share
        0 (the base model) to 1 (the tuned one), both exact.
    """
    import torch

    if share in (0.0, 1.0):
        return dict(tuned if share else base)
    return {
        name: torch.lerp(weights, tuned[name].to(weights), share) if weights.is_floating_point() else weights
        for name, weights in base.items()
    }


def trade_off(
    shares: Sequence[float],
    figures_at: Callable[[float], Row],
    allowed: Callable[[Row], str],
    *,
    gain: float = 0.0,
) -> list[Row]:
    """The curve: what each share gives and what it costs, and which one is taken.

    Taken is, of the shares that keep what must be kept, the smallest whose validation score lies at most `gain` below
    the best of them: it stays closest to the base model. Share 0 where none keeps it, or none is better.

    Parameters
    ----------
    shares
        above 0, at most 1; 0 is added.
    figures_at
        the validation figures at a share, with `validation_score`.
    allowed
        why a row may not be taken; an empty string where it may.
    gain
        what a larger share has to add to the validation score. A share is worth more than none whatever it adds.

    Returns
    -------
    list[Row]
        Rows by share, ascending: `share`, the figures, `broken` (what is not kept, in words), `taken`.
    """
    rows = []
    for share in sorted({0.0, *shares}):
        row = figures_at(share)
        rows.append({"share": share, **row, "broken": allowed(row) if share else "", "taken": False})
    candidates = [row for row in rows if not row["broken"]]
    best = max(row["validation_score"] for row in candidates)
    base = candidates[0]["validation_score"]
    enough = [row for row in candidates if row["validation_score"] >= max(best - gain, min(best, base))]
    better = [row for row in enough if row["validation_score"] > base] or enough
    better[0]["taken"] = True
    return rows


def beyond(row: Row, options: TrainingSettings, choice: EpochChoice) -> dict[str, float]:
    """How far each thing that must be kept, on the validation notes, lies beyond what may be lost: above 0 it is lost.

    Nothing here needs a label, and none of it is a task that the verdict goes by.
    """
    low = row["validation_passage_change_low"]
    return {
        "passages": 0.0 if low is None else -choice.passages_tolerance - low,
        "similarities": options.keep_similarities - row["validation_similarities_kept"],
        "rank": options.keep_rank - row["validation_rank_kept"],
    }


def not_kept(row: Row, options: TrainingSettings, choice: EpochChoice) -> str:
    """What a model loses that must be kept, in words; empty where it keeps everything."""
    words = {
        "passages": f"passages may fall by more than {choice.passages_tolerance:g}",
        "similarities": f"similarities of phrases agree to {row['validation_similarities_kept']:.3f}, below "
        f"{options.keep_similarities:g}",
        "rank": f"effective rank falls to {row['validation_rank_kept']:.1%}, below {options.keep_rank:.1%}",
    }
    return "; ".join(words[name] for name, excess in beyond(row, options, choice).items() if excess > 0)
