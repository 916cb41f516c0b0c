"""The published protocol of classifying such notes, and what of its figure is memory.

Published results take every row for a note of one label, document types included, and divide rows. The same text stands
in several rows under several labels, so most test rows have their very text in training, and no model can know which
of its labels a row bears. Here the same model is scored that way, and with all rows of a text, or of its
near-duplicates, on one side.

What a model remembers helps where a text stands in training under the label that is asked for. Where a file holds each
text once under each of its labels, as MTSamples does, it stands there under its *other* labels alone: then whoever
remembers is wrong, and the figure by row is lower than the honest one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import numpy as np
import pyarrow as pa
from pydantic import Field

from medembed_pipeline.classification.errors import ClassificationError
from medembed_pipeline.classification.features import Scaling, WordWeights, count_words
from medembed_pipeline.classification.heads import fit_linear
from medembed_pipeline.classification.scoring import Answers, Truth, overall_figures
from medembed_pipeline.evaluation.jackknife import group_numbers, intervals
from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray, IntArray
from medembed_pipeline.evidence.leakage.experiment_rows import (
    ExperimentRows,
    held_out_rows,
    in_training_text,
)
from medembed_pipeline.evidence.leakage.preset import (
    EncoderPreset,
    EvaluationPreset,
    RandomPreset,
    SplitPreset,
)
from medembed_pipeline.notes.cleaning import clean_text
from medembed_pipeline.notes.labels import canonical_labels
from medembed_pipeline.notes.reader import ReaderOptions, read_landing_file
from medembed_pipeline.section import Section, validate

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROTOCOLS: tuple[Literal["row", "text", "group"], ...] = ("row", "text", "group")
WORDS, BASE, LABEL_SET = "tfidf", "base", "label_set"
SHOWN = {
    WORDS: "TF-IDF + logistic regression",
    BASE: "logistic regression on vectors of the base model",
    LABEL_SET: "one that knows all labels of a text, and guesses which of them the row bears",
}
SMALLEST_WORD_NOTES = 2
METRICS = (("accuracy", "accuracy"), ("macro_f1", "macro-F1"))
PUBLISHED = (
    "Published, by row, of 40 labels: accuracy 0.542 and macro-F1 0.387 (DistilBERT with LoRA); macro-F1 0.279 "
    "(CLiGNet, arXiv 2603.22752, called free of leaks, split by row)."
)


class RowsPreset(Section):
    """Which rows of the file take part, and what is learned of them."""

    text_column: str = Field("transcription", min_length=1, description="Column that holds the text.")
    label_column: str = Field("medical_specialty", min_length=1, description="Column that holds the label.")
    inverse_regularization: float = Field(30.0, gt=0, description="C of the logistic regressions.")
    base_vectors: bool = Field(True, description="Whether the base model is scored, too; words always are.")


class RowProtocolPreset(Section):
    """All tables of the preset file."""

    rows: RowsPreset = RowsPreset()
    split: SplitPreset = SplitPreset()
    encoder: EncoderPreset = EncoderPreset()
    evaluation: EvaluationPreset = EvaluationPreset()
    random: RandomPreset = RandomPreset()


@dataclass(frozen=True)
class Scored:
    """A model under a protocol.

    Attributes
    ----------
    protocol
        row, text or group.
    model
        a key of SHOWN.
    held_out
        rows that were scored.
    seen_share
        of them that have their very text in training.
    told_share
        of them that have it there under the very label that is asked for.
    figures
        `accuracy` and `macro_f1`, each as value, low, high.
    new_text
        the same, of the rows whose text is new.
    """

    protocol: str
    model: str
    held_out: int
    seen_share: float
    told_share: float
    figures: dict[str, tuple[float, float, float]]
    new_text: dict[str, tuple[float, float, float]]


def is_row_protocol(path: Path) -> bool:
    """Whether a preset file is one of this kind: it has a table `rows`."""
    try:
        return "rows" in tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return False


def load_row_protocol(path: Path) -> RowProtocolPreset:
    """Read and check a preset file.

    Raises
    ------
    SettingsError
        an unknown key, or a value out of range.
    """
    return validate(RowProtocolPreset, tomllib.loads(path.read_text(encoding="utf-8-sig")), where=str(path))


def read_labelled_rows(path: Path, preset: RowsPreset) -> ExperimentRows:
    """Every row of a file that has a text and a label; labels by their usual names.

    Raises
    ------
    ClassificationError
        there is no file, it cannot be used, or fewer than two labels are in it.
    """
    if not path.is_file():
        raise ClassificationError(f"data: there is no file {path}. Give a file of labelled rows.")
    options = ReaderOptions(
        text_column=preset.text_column, label_column=preset.label_column, minimum_characters=1
    )
    found: list[tuple[int, str, str]] = []
    for chunk in read_landing_file(lambda: cast(BinaryIO, path.open("rb")), path.name, options):
        whole = [one["detail"] for one in chunk.rejected.to_pylist() if one["source_row"] == 0]
        if whole:
            raise ClassificationError(f"{path}: {whole[0]}.")
        kept = chunk.kept.select(["source_row", "text", "label"]).to_pydict()
        for number, text, label in zip(kept["source_row"], kept["text"], kept["label"], strict=True):
            cleaned = clean_text(text)
            if cleaned and (label or "").strip():
                found.append((number, cleaned, label))
    names = canonical_labels(label for _, _, label in found)
    if len(set(names.values())) < 2:
        raise ClassificationError(f"{path}: {len(set(names.values()))} labels; expected two or more.")
    return ExperimentRows(
        [f"{number:012d}" for number, _, _ in found],
        [text for _, text, _ in found],
        [names[label] for _, _, label in found],
    )


def score_protocols(
    rows: ExperimentRows,
    preset: RowProtocolPreset,
    *,
    vectors: FloatArray | None = None,
    on_line: Callable[[str], None] = lambda line: None,
) -> list[Scored]:
    """Every model under every protocol.

    Parameters
    ----------
    rows
        texts and labels, a row each.
    preset
        of the experiment.
    vectors
        float64 [n, d] unit rows of the base model; None to leave it out.
    on_line
        told how far it is.
    """
    labels = sorted(set(rows.labels))
    column_of = {name: column for column, name in enumerate(labels)}
    member = np.zeros((len(rows), len(labels)))
    member[np.arange(len(rows)), [column_of[name] for name in rows.labels]] = 1.0
    counts = count_words(rows.texts).counts
    found = []
    for protocol in PROTOCOLS:
        split = preset.split.model_copy(update={"by": protocol})
        held_out, units = held_out_rows(rows, split, seed=preset.random.seed)
        seen = in_training_text(rows, held_out)
        told = _told(rows, held_out)
        known, asked = np.flatnonzero(~held_out), np.flatnonzero(held_out)
        groups = group_numbers(
            [units[row] if protocol == "group" else rows.text_numbers[row] for row in asked]
        )
        scores: dict[str, FloatArray] = {LABEL_SET: _label_sets(rows, member)[asked]}
        weights = WordWeights.fit(counts[known], smallest_word_notes=SMALLEST_WORD_NOTES)
        scores[WORDS] = _fitted(
            weights.weigh(counts[known]), weights.weigh(counts[asked]), member[known], preset
        )
        if vectors is not None:
            scaling = Scaling.fit(vectors[known])
            scores[BASE] = _fitted(
                scaling.apply(vectors[known]), scaling.apply(vectors[asked]), member[known], preset
            )
        for model, own in scores.items():
            new = ~seen[asked]
            found.append(
                Scored(
                    protocol,
                    model,
                    len(asked),
                    float(seen[asked].mean()),
                    float(told[asked].mean()),
                    _figures(own, member[asked], groups, preset),
                    _figures(own[new], member[asked][new], groups[new], preset),
                )
            )
            on_line(f"by {protocol}: {SHOWN[model]} is scored")
    return found


def _told(rows: ExperimentRows, held_out: BoolArray) -> BoolArray:
    """Which rows have their text in training under their own label. bool [n]."""
    pairs = list(zip(rows.text_numbers.tolist(), rows.labels, strict=True))
    known = {pair for pair, asked in zip(pairs, held_out.tolist(), strict=True) if not asked}
    return np.array([pair in known for pair in pairs], dtype=np.bool_)


def _fitted(known: Any, asked: Any, member: FloatArray, preset: RowProtocolPreset) -> FloatArray:
    head = fit_linear(known, member, inverse_regularization=preset.rows.inverse_regularization)
    return head.probabilities(asked)


def _label_sets(rows: ExperimentRows, member: FloatArray) -> FloatArray:
    """The labels of all rows of the same text, each as likely: what there is to know of a text, and no more."""
    sums = np.zeros((int(rows.text_numbers.max(initial=-1)) + 1, member.shape[1]))
    np.add.at(sums, rows.text_numbers, member)
    carried = (sums > 0).astype(np.float64)
    return np.asarray((carried / carried.sum(axis=1, keepdims=True))[rows.text_numbers])


def _figures(
    scores: FloatArray, member: FloatArray, groups: IntArray, preset: RowProtocolPreset
) -> dict[str, tuple[float, float, float]]:
    """Accuracy and macro-F1 of the likeliest label; of equally likely ones, one at random by a fixed seed."""
    nothing = (float("nan"),) * 3
    if not len(scores):
        return {"accuracy": nothing, "macro_f1": nothing}
    # The draw decides between equals alone.
    draw = np.random.default_rng((preset.random.seed, 5)).uniform(0, 1e-9, size=scores.shape)
    first = (np.round(scores, 6) + draw).argmax(axis=1)
    chosen: BoolArray = np.zeros(member.shape, dtype=np.bool_)
    chosen[np.arange(len(first)), first] = True
    truth = Truth(
        member,
        np.zeros(len(member)),
        group_numbers(groups.tolist()),
        np.flatnonzero(member.sum(axis=0) > 0),
        np.ones(member.shape[1]),
    )
    found = overall_figures(truth, Answers(chosen.astype(np.float64), chosen, chosen))
    shown = {}
    for name, key in (("accuracy", ("exact_match", None)), ("macro_f1", ("macro_f1", None))):
        ends = intervals(found[key], confidence=preset.evaluation.confidence, lowest=0.0, highest=1.0)
        shown[name] = (float(found[key].value[0]), float(ends.low[0]), float(ends.high[0]))
    return shown


def protocol_page(scored: Sequence[Scored], rows: ExperimentRows, *, title: str) -> str:
    """The result as Markdown: a row per model, and what share of the figure by row is memory."""
    of = {(one.protocol, one.model): one for one in scored}
    models = [name for name in SHOWN if ("row", name) in of]
    texts = len(set(rows.text_numbers.tolist()))
    seen, told = of["row", WORDS].seen_share, of["row", WORDS].told_share
    lines = [
        f"# Experiment: {title}",
        "",
        f"{len(rows)} rows of {len(set(rows.labels))} labels, {texts} different texts. Split by row, {seen:.0%} of the "
        f"{of['row', WORDS].held_out} held-out rows have their very text in training, {told:.0%} under the label that "
        "is asked for: these can be remembered, and of the others what is remembered is wrong.",
        "",
        PUBLISHED,
        "",
    ]
    for name, shown in METRICS:
        lines += [
            f"## {shown}",
            "",
            "| | by row | of these, new text | by text | by near-duplicate group | memory |",
            "|---|---|---|---|---|---|",
        ]
        for model in models:
            by_row, by_group = of["row", model], of["group", model]
            apparent, honest = by_row.figures[name][0], by_group.figures[name][0]
            share = 1.0 - honest / apparent if apparent > 0 else float("nan")
            memory = "" if model == LABEL_SET else f"{share:.0%}" if share > 0 else "none"
            cells = [
                by_row.figures[name],
                by_row.new_text[name],
                of["text", model].figures[name],
                by_group.figures[name],
            ]
            lines.append(f"| {SHOWN[model]} | {' | '.join(map(_cell, cells))} | {memory} |")
        lines.append("")
    lines.append(
        "Memory: the share of the figure by row that is gone once no near-duplicate of a held-out row is in training "
        "(1 - by group / by row)."
    )
    return "\n".join(lines) + "\n"


def _cell(figure: tuple[float, float, float]) -> str:
    value, low, high = figure
    if not np.isfinite(value):
        return "undefined"
    return f"{value:.3f} [{low:.3f}, {high:.3f}]" if np.isfinite(low) else f"{value:.3f}"


def protocol_table(scored: Sequence[Scored]) -> pa.Table:
    """A row per protocol, model, set of rows and figure."""
    return pa.Table.from_pylist(
        [
            {
                "protocol": one.protocol,
                "model": one.model,
                "rows": rows,
                "metric": name,
                "value": value,
                "ci_low": low,
                "ci_high": high,
                "held_out": one.held_out,
                "seen_share": one.seen_share,
                "told_share": one.told_share,
            }
            for one in scored
            for rows, figures in (("all", one.figures), ("new_text", one.new_text))
            for name, (value, low, high) in figures.items()
        ]
    )


def run_row_protocol(path: Path, data: Path, output: Path | None) -> int:
    """Score the protocols, print the page, and write it with its table into a folder.

    Parameters
    ----------
    path
        the preset.
    data
        a file of labelled rows.
    output
        folder for `experiment.parquet` and `experiment.md`; None writes nothing.
    """
    import pyarrow.parquet as pq

    preset = load_row_protocol(path)
    rows = read_labelled_rows(data, preset.rows)
    vectors = None
    if preset.rows.base_vectors:
        from medembed_pipeline.encoder.model import load_encoder
        from medembed_pipeline.encoder.spec import EncoderSpec

        how = preset.encoder
        spec = EncoderSpec(how.base, pooling=how.pooling, max_tokens=how.max_tokens)
        encoder = load_encoder(spec, device=how.device, precision=how.precision)
        vectors = encoder.encode(rows.texts, progress=sys.stderr.isatty()).astype(np.float64)
    scored = score_protocols(
        rows, preset, vectors=vectors, on_line=lambda line: print(f"  {line}", flush=True)
    )
    page = protocol_page(scored, rows, title=path.stem)
    print(page, end="")
    if output is not None:
        try:
            output.mkdir(parents=True, exist_ok=True)
            pq.write_table(protocol_table(scored), output / "experiment.parquet")
            (output / "experiment.md").write_text(page, encoding="utf-8")
        except OSError as error:
            raise ClassificationError(f"--output {output}: can't be written ({error.strerror}).") from None
        print(f"\nwritten to {output}")
    return 0
