"""A lake with tiny released checkpoints, their vectors and maps, made on the spot."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from medembed_pipeline.embeddings.vectors import text_key
from medembed_pipeline.encoder import EncoderSpec, encoder_fingerprint, read_spec, spec_of_settings
from medembed_pipeline.encoder.image_spec import ImageEncoderSpec, image_encoder_fingerprint
from medembed_pipeline.encoder.settings import EncoderSettings, ImageEncoderSettings
from medembed_pipeline.evaluation.neighbors import neighbors_table
from medembed_pipeline.image_text.prompts import PromptPair, Prompts
from medembed_pipeline.images.pixels import png_bytes
from medembed_pipeline.lake.fingerprint import file_sha256
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.store import KeyedStore
from medembed_pipeline.lake.tables import Recipe, vector_column, vectors
from medembed_pipeline.maps.tables import PROJECTIONS_SCHEMA, Projection, projections_table
from medembed_pipeline.notes.merging import prepare_texts
from medembed_pipeline.serving.classifier import Prediction
from medembed_pipeline.training.checkpoints import FOLDER, MANIFEST, Checkpoint, checkpoint_of, point_to
from medembed_pipeline.triage.adapters import Adapters
from medembed_pipeline.triage.arms import CONCATENATED, LATE, METADATA, NOTE, PICTURE, Arms, LateFusion
from medembed_pipeline.triage.cases import Levels
from medembed_pipeline.triage.folder import FOLDER as TRIAGE_MODELS
from medembed_pipeline.triage.folder import Parts as TriageParts
from medembed_pipeline.triage.folder import write_model
from medembed_pipeline.triage.heads import Head
from medembed_pipeline.triage.inputs import encoders_part
from medembed_pipeline.triage.metadata import MetadataColumn
from medembed_pipeline.triage.models import published
from medembed_pipeline.triage.predictions import Chosen
from medembed_pipeline.triage.projection import Projection as TriageProjection
from medembed_pipeline.verdict.released import put_back, released_version
from medembed_pipeline_tests.encoder.small_image_models import make_clip, make_resnet
from medembed_pipeline_tests.encoder.small_models import make_bert
from medembed_pipeline_tests.training.small_corpus import SPECIALTIES, make_data

ENCODER = EncoderSettings(device="cpu", precision="float32", max_tokens=32)
SITES = ("North", "South", "West")


class SmallLake:
    """A lake that checkpoints are released in.

    Parameters
    ----------
    folder
        of the lake and its models.
    notes
        how many it begins with.
    """

    def __init__(self, folder: Path, notes: int = 60) -> None:
        self.folder = folder
        self.lake = Lake(str(folder / "lake"))
        data = make_data(notes=notes)
        self.texts = list(data.texts.values())
        self.specialties = [sorted(own) for own in data.specialties.values()]

    def add_checkpoint(self, version: str, *, seed: int) -> Checkpoint:
        """Put a model into the lake, as a training does, and make it the current one."""
        from medembed_pipeline.encoder.folder import save_encoder
        from medembed_pipeline.encoder.model import load_encoder

        base = make_bert(self.folder / f"base-{version}", seed=seed)
        with self.lake.staged_folder(FOLDER, version, last=MANIFEST) as staged:
            save_encoder(load_encoder(EncoderSpec(base=str(base), max_tokens=32), device="cpu"), staged)
            files = {
                path.relative_to(staged).as_posix(): file_sha256(path)
                for path in staged.rglob("*")
                if path.is_file()
            }
            (staged / MANIFEST).write_text(json.dumps({"files": files, "version": version}))
        shutil.rmtree(base)
        checkpoint = checkpoint_of(self.lake, version)
        point_to(self.lake, checkpoint, Recipe("finetuned_checkpoint", "1", {"version": version}, {}))
        return checkpoint

    def release(self, version: str) -> None:
        """Point to it."""
        if released_version(self.lake) != version:
            put_back(self.lake, version)

    def write_notes(self) -> None:
        """`raw_transcriptions`, `cleaned_notes` and `note_splits` of the texts."""
        prepared = prepare_texts(self.texts)
        ids: list[str] = prepared["note_id"].to_pylist()
        rows = [f"{number:032x}" for number in range(len(ids))]
        raw = pa.table(
            {
                "source_file": ["notes.csv"] * len(ids),
                "row_id": rows,
                "text": self.texts,
                "label": [", ".join(own) for own in self.specialties],
                "site": [SITES[number % 3] for number in range(len(ids))],
                "age": [str(20 + number % 60) for number in range(len(ids))],
                "patient_id": [f"P{number:04}" for number in range(len(ids))],
                "summary": [f"summary of row {number}" for number in range(len(ids))],
            }
        )
        version = self._write("raw_transcriptions", raw, {})
        cleaned = pa.table(
            {
                "note_id": ids,
                "text": prepared["text"],
                "specialties": pa.array(self.specialties, pa.list_(pa.string())),
                "source_rows": pa.array([[row] for row in rows], pa.list_(pa.string())),
            }
        ).sort_by("note_id")
        version = self._write("cleaned_notes", cleaned, {"raw_transcriptions": version})
        sorted_ids: list[str] = cleaned["note_id"].to_pylist()
        splits = pa.table(
            {
                "note_id": sorted_ids,
                "split": ["test" if int(one[:8], 16) % 3 == 0 else "train" for one in sorted_ids],
                "group": sorted_ids,
            }
        )
        self._write("note_splits", splits, {"cleaned_notes": version})

    def embed(self, checkpoint: Checkpoint, *, with_map: bool = True) -> None:
        """`tuned_embeddings`, `neighbors` and `projections` by a checkpoint, and its vectors in the store."""
        from medembed_pipeline.encoder.model import load_encoder

        spec = checkpoint.encoder_spec("cut")
        fingerprint = encoder_fingerprint(spec, precision="float32")
        notes = self.lake.table("cleaned_notes")
        ids, texts = notes.strings("note_id"), notes.strings("text")
        store = KeyedStore(self.lake, "vectors", fingerprint)
        encoder = load_encoder(spec, device="cpu", precision="float32")

        def encode(positions: list[int]) -> pa.Table:
            return pa.table({"embedding": vector_column(encoder.encode([texts[one] for one in positions]))})

        rows, _ = store.get_or_compute([text_key(text) for text in texts], encode, block=1000)
        matrix = vectors(rows["embedding"])
        inputs = {
            "cleaned_notes": notes.data_version,
            "finetuned_checkpoint": checkpoint.data_version,
            "model": fingerprint,
        }
        table = pa.table({"note_id": ids, "embedding": vector_column(matrix)})
        version = self._write("tuned_embeddings", table, inputs, {"precision": "float32"})
        self._write(
            "neighbors",
            neighbors_table("tuned", ids, matrix, scored_note_ids=[], k=10),
            {"tuned_embeddings": version},
        )
        if with_map:
            self.draw_map()

    def draw_map(self) -> None:
        """`projections` of the vectors that stand."""
        table = self.lake.table("tuned_embeddings")
        ids, matrix = table.strings("note_id"), vectors(table.read()["embedding"])
        flat = (matrix[:, :2] * 7).astype(np.float32)
        maps = projections_table([Projection("tuned", "umap", 2, flat)], note_ids=ids)
        self._write("projections", maps.cast(PROJECTIONS_SCHEMA), {"tuned_embeddings": table.data_version})

    def _write(
        self, name: str, table: pa.Table, inputs: dict[str, str], facts: dict[str, Any] | None = None
    ) -> str:
        settings = {"CleaningSettings": {"redact": False}} if name == "cleaned_notes" else {}
        return self.lake.write_table(Recipe(name, "1", settings, inputs), table, facts=facts).data_version


def make_lake(folder: Path, notes: int = 60) -> SmallLake:
    """With two checkpoints, `aaaa` and `bbbb`; all tables are of the first, which is released."""
    small = SmallLake(folder, notes)
    small.write_notes()
    second = small.add_checkpoint("bbbb", seed=2)
    small.embed(second)
    first = small.add_checkpoint("aaaa", seed=1)
    small.embed(first)
    small.release("aaaa")
    return small


def new_note(seed: int) -> str:
    """A note that the lake does not hold."""
    words = np.random.default_rng(1000 + seed).choice(
        [word for own in SPECIALTIES.values() for word in own], size=9
    )
    return f"seen {' '.join(words)} with fever"


def spec_of(checkpoint: Checkpoint) -> EncoderSpec:
    """How a checkpoint is loaded here."""
    return replace(read_spec(checkpoint.folder), long_notes="cut")


class Guess:
    """A classifier that is sure of a note with `valve` in it, and of no other."""

    uses_vectors, misses = True, 0.1

    def predict(self, texts: Sequence[str], vectors: Any) -> list[Prediction]:
        assert vectors.shape == (len(texts), 32)
        probabilities = {"Cardiology": 0.71, "Radiology": 0.2, "Orthopedic": 0.06, "Pulmonary": 0.03}
        two = ["Cardiology", "Radiology"]
        return [
            Prediction(probabilities, two[:1], two, "")
            if "valve" in text
            else Prediction(probabilities, [], two, "it is far from all train notes")
            for text in texts
        ]


def add_triage(
    small: SmallLake,
    version: str,
    *,
    seed: int,
    verdict: str = "picture_helps",
    single: str = NOTE,
    encoders: dict[str, Any] | None = None,
    adapters: Mapping[str, Adapters] | None = None,
    judged: bool = True,
) -> Path:
    """A triage model of random weights, whose encoders are tiny, and its verdict; gives its folder."""
    random = np.random.default_rng(seed)
    widths = {NOTE: 32, PICTURE: 16, METADATA: 4}

    def head(*parts: str) -> Head:
        wide = sum(min(3, widths[part]) for part in parts)
        return Head("linear", {"V": 4 * random.normal(size=(wide, 3)), "b": random.normal(size=3)})

    heads: dict[str, Head | LateFusion] = {part: head(part) for part in widths}
    heads |= {
        LATE: LateFusion({NOTE: 0.7, PICTURE: 1.1}, np.log([0.5, 0.3, 0.2])),
        CONCATENATED: head(NOTE, PICTURE),
    }
    projections = {
        part: TriageProjection(random.normal(size=wide) / 9, random.normal(size=(wide, min(3, wide))))
        for part, wide in widths.items()
    }
    figures = {LATE: 0.7, METADATA: 0.6, NOTE: 0.8, PICTURE: 0.65, CONCATENATED: 0.9}
    parts = TriageParts(
        Levels(("routine", "urgent", "emergency"), True),
        Arms(projections, heads, {arm: 1.3 for arm in heads}),
        (MetadataColumn("age", (), 50.0, 20.0), MetadataColumn("sex", ("F",))),
        Chosen(single, CONCATENATED, figures, "auc"),
        encoders or tiny_encoders(small.folder / "encoders"),
        adapters=adapters or {},
    )
    with small.lake.staged_folder(TRIAGE_MODELS, version, last=MANIFEST) as folder:
        write_model(folder, parts, card="# A triage model", more={})
    made = published(small.lake, version)
    small.lake.write_json({"version": version, "data_version": made.data_version}, "triage_model.json")
    if judged:
        judge(small, version, verdict)
    return made.folder


def judge(small: SmallLake, version: str, verdict: str) -> None:
    """`triage_verdict` of a model."""
    recipe = Recipe("triage_verdict", "1", {}, {"triage_model": published(small.lake, version).data_version})
    facts = {"verdict": verdict, "sentence": f"It is said: {verdict}.", "model": version}
    small.lake.write_table(recipe, pa.table({"rule": ["a"], "reason": [verdict]}), facts=facts)


@cache
def tiny_encoders(folder: Path) -> dict[str, Any]:
    """What a model's manifest says of a tiny encoder of notes and one of pictures."""
    note = EncoderSettings(
        base=str(make_bert(folder / "note", seed=5)), max_tokens=32, precision="float32", device="cpu"
    )
    picture = ImageEncoderSettings(base=str(make_resnet(folder / "picture")), device="cpu")
    return encoders_part(note, picture, 64)


def drawn_adapters(encoders: dict[str, Any], seed: int) -> dict[str, Adapters]:
    """Adapters of tiny encoders that have learned anything at all."""
    import torch

    from medembed_pipeline.training.adapters import adapt_last_blocks, adapter_products
    from medembed_pipeline.triage.tuning import tuned_note_encoder, tuned_picture_encoder

    torch.manual_seed(seed)
    note, picture = (encoders[part]["settings"] for part in (NOTE, PICTURE))
    networks = {
        NOTE: tuned_note_encoder(
            spec_of_settings(EncoderSettings(**note)), "cpu", "float32", None
        ).transformer,
        PICTURE: tuned_picture_encoder(ImageEncoderSpec(picture["base"]), "cpu", None).network,
    }
    found = {}
    for part, network in networks.items():
        adapt_last_blocks(network, 1, rank=2)
        products = {
            layer: (down, torch.randn(up.shape).numpy())
            for layer, (down, up) in adapter_products(network).items()
        }
        found[part] = Adapters(0.5, products, 0.001, 3)
    return found


def add_image_text(small: SmallLake) -> Path:
    """`image_text_vectors` of a tiny CLIP, and prompts; gives the model's folder."""
    folder = make_clip(small.folder / "clip")
    settings = {"ImageTextSettings": {"model": str(folder)}, "ImageEncoderSettings": {}}
    facts = {"image_encoder": image_encoder_fingerprint(ImageEncoderSpec(str(folder))), "kept_side": 64}
    seen = pa.table({"model": ["base"], "kind": ["prompt"], "key": ["a"], "embedding": [[1.0]]})
    small.lake.write_table(Recipe("image_text_vectors", "1", settings, {}), seen, facts=facts)
    pairs = (PromptPair("lungs", "a chest film with opacity", "clear lungs", ("Opacity",), ("Clear",)),)
    small.lake.write_table(
        Recipe("prompt_pairs", "1", {}, {}), Prompts("tiny", ("ill", "well"), pairs).table()
    )
    return folder


def drawn_picture(seed: int, side: int = 80) -> bytes:
    """A PNG of noise."""
    return png_bytes(np.random.default_rng(seed).integers(0, 255, (side, side + 20), dtype=np.uint8))
