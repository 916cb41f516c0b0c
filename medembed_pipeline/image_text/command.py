"""`medembed image-text`: pictures of a folder against the prompts of a file, without Dagster."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from medembed_pipeline.image_text.contrast import CONFIG, Projection, load_projection
from medembed_pipeline.image_text.errors import ImageTextError
from medembed_pipeline.image_text.figures import image_text_figures
from medembed_pipeline.image_text.margins import (
    ShownPicture,
    Space,
    all_texts,
    margins_table,
    shown_pictures,
    sides_of,
)
from medembed_pipeline.image_text.metrics import metrics_table
from medembed_pipeline.image_text.prompts import Prompts, read_prompts
from medembed_pipeline.image_text.spaces import BUNDLED, hub_space, text_vectors
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.pictures.numbers import without_nan
from medembed_pipeline.pictures.specification import Known
from medembed_pipeline.settings import Settings, load_settings

MATRIX_AT_MOST = 500
"""Pictures of which the matrix of likenesses is written."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "--images",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of pictures (PNG, JPEG, DICOM), with or without a CSV that says whose they are and what they show",
    )
    parser.add_argument(
        "--prompts",
        type=Path,
        required=True,
        metavar="FILE",
        help="JSON {experiment_name, prompt_pairs: [{pair_id, tumor, healthy}]} with any two words, or CSV",
    )
    parser.add_argument(
        "--model",
        required=True,
        metavar="M",
        help="hub id or folder of a model of pictures and texts (CLIP, SigLIP), or a projection that was trained here",
    )
    parser.add_argument("--finetuned", metavar="DIR", help="a second model, to be compared with the first")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--label-column", metavar="NAME", help="column of the CSV with what a picture shows")


def run(options: argparse.Namespace) -> int:
    """Measure, and write tables, pictures and results.json; returns the exit status.

    Raises
    ------
    MedembedError
        a folder, file or model that cannot be used.
    """
    settings = load_settings()
    for path, name in ((options.images, "--images"), (options.prompts, "--prompts")):
        if not path.exists():
            raise ImageTextError(f"{name}: {path} is not there.")
    prompts = read_prompts(options.prompts.read_bytes(), options.prompts.name)
    options.output.mkdir(parents=True, exist_ok=True)
    lake = Lake(str(options.output / "kept"))
    images, cases = _landed(lake, options, settings)
    pictures = _pictures(cases, images, settings)
    if not pictures:
        raise ImageTextError(
            f"--images: {options.images} holds no picture that can be used; see rejected_images."
        )
    models = {"base": options.model, **({"finetuned": options.finetuned} if options.finetuned else {})}
    spaces = {
        name: _space(lake, model, images, pictures, prompts, settings) for name, model in models.items()
    }
    table, facts = metrics_table(prompts, pictures, spaces, settings.image_text)
    _write(options.output, prompts, pictures, spaces, table, facts, settings)
    print(f"{len(pictures)} pictures of {facts['patients']} patients, {len(prompts.pairs)} pairs of prompts")
    for line in _lines(table):
        print(line)
    for one in facts["absent"]:
        print(f"{one['pair_id']}: no figure by labels ({one['why']})")
    print(f"written to {options.output}")
    return 0


def _landed(lake: Lake, options: argparse.Namespace, settings: Settings) -> tuple[LakeTable, pa.Table]:
    from medembed_pipeline.images.folder import cases_of_folder

    chosen = settings.images
    if options.label_column:
        chosen = chosen.model_copy(
            update={"findings_column": options.label_column, "label_column": options.label_column}
        )
    return cases_of_folder(lake, options.images, chosen)


def _pictures(cases: pa.Table, images: LakeTable, settings: Settings) -> list[ShownPicture]:
    from medembed_pipeline.images.case_groups import case_groups
    from medembed_pipeline.images.folder import hashes_of

    groups = case_groups(cases, hashes_of(images), settings.case_splits)
    ids = cases.column("case_id").to_pylist()
    # Nothing is trained here: every picture is measured on.
    return shown_pictures(
        cases.select(["case_id", "image_id", "findings"]).to_pylist(),
        dict.fromkeys(ids, "test"),
        dict(zip(ids, groups, strict=True)),
    )


def _space(
    lake: Lake,
    model: str,
    images: LakeTable,
    pictures: Sequence[ShownPicture],
    prompts: Prompts,
    settings: Settings,
) -> Space:
    from medembed_pipeline.images.pixels import pixels_of
    from medembed_pipeline.images.vectors import packed_pictures

    ids = [picture.image_id for picture in pictures]
    texts = all_texts(prompts)

    def pixels(wanted: Sequence[str]) -> list[Any]:
        return [pixels_of(png) for png in packed_pictures(images, wanted)]

    if model == BUNDLED:
        raise ImageTextError(
            "--model: 'bundled' are two models that do not know each other until a projection is trained on "
            "readings; give a folder of image_text_models/ that a run has trained, or a model of pictures and "
            "texts."
        )
    if not (Path(model).expanduser() / CONFIG).is_file():
        return hub_space(lake, model, ids, pixels, texts, settings.image_encoder)
    return _projected(lake, load_projection(Path(model).expanduser())[0], ids, pixels, texts, settings)


def _projected(
    lake: Lake,
    projection: Projection,
    ids: Sequence[str],
    pixels: Any,
    texts: Sequence[str],
    settings: Settings,
) -> Space:
    from medembed_pipeline.encoder.image_spec import image_spec_of_settings
    from medembed_pipeline.images.vectors import picture_encoder

    encode = picture_encoder(image_spec_of_settings(settings.image_encoder), settings.image_encoder)
    return Space.of(
        projection.images(encode(pixels(ids))), texts, projection.texts(text_vectors(lake, texts))
    )


def _write(
    output: Path,
    prompts: Prompts,
    pictures: Sequence[ShownPicture],
    spaces: dict[str, Space],
    table: pa.Table,
    facts: dict[str, Any],
    settings: Settings,
) -> None:
    from medembed_pipeline.pictures.drawing import picture
    from medembed_pipeline.pictures.image_text_pictures import image_text_pictures

    margins = margins_table(prompts, pictures, spaces)
    for name, rows in (("image_text_metrics", table), ("preference_margins", margins)):
        pq.write_table(rows, output / f"{name}.parquet", compression="zstd")
    belongs = {pair.pair_id: sides_of(pair, pictures) for pair in prompts.pairs}
    drawn = {
        **{one.name: picture(one) for one in image_text_figures(without_nan(table.to_pylist()), Known())},
        **image_text_pictures(
            prompts.pairs, prompts.sides, belongs, spaces, label="", seed=settings.image_text.seed
        ),
    }
    for name, made in drawn.items():
        (output / f"{name}.png").write_bytes(made.png)
        (output / f"{name}.svg").write_bytes(made.svg)
    results = {
        "experiment": prompts.experiment,
        "sides": list(prompts.sides),
        "facts": facts,
        "metrics": table.to_pylist(),
        "margins": margins.to_pylist(),
        "pictures": [{"image_id": one.image_id, "labels": sorted(one.labels)} for one in pictures],
        "prompts": prompts.texts(),
        "likeness": {name: _likeness(space, prompts) for name, space in spaces.items()},
    }
    text = json.dumps(without_nan(results), ensure_ascii=False, allow_nan=False)
    (output / "results.json").write_text(text, encoding="utf-8")


def _likeness(space: Space, prompts: Prompts) -> dict[str, Any]:
    rows = np.array([space.texts[text] for text in prompts.texts()])
    found = {"prompts": (rows @ rows.T).round(6).tolist()}
    if len(space.pictures) <= MATRIX_AT_MOST:
        found["pictures"] = (space.pictures @ space.pictures.T).round(6).tolist()
    return found


def _lines(table: pa.Table) -> list[str]:
    shown = ("auc", "auc_of_mean_margin", "silhouette", "silhouette_repeated", "prompt_similarity_mean")
    lines = []
    for row in table.to_pylist():
        if row["figure"] in shown:
            interval = (
                "" if row["ci_low"] != row["ci_low"] else f" [{row['ci_low']:.3f}, {row['ci_high']:.3f}]"
            )
            where = f"{row['model']}, {row['arm']}, {row['pair_id'] or 'all pairs'}"
            lines.append(f"{where}: {row['figure']} {row['value']:.3f}{interval}")
    return lines
