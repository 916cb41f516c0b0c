"""Notes to vectors, against `SentenceTransformer.encode` of the same model at its best setting."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medembed_pipeline_tests.bench.comparison import (
    OURS,
    BenchError,
    Comparison,
    Contender,
    Measurement,
    Options,
    Row,
    Work,
)
from medembed_pipeline_tests.bench.measuring import Worker
from medembed_pipeline_tests.bench.notes import (
    different_notes,
    has_real_notes,
    mixed_corpus,
    read_texts,
    write_texts,
)

TORCH, OPENVINO = "sentence-transformers, torch", "sentence-transformers, OpenVINO"
BATCH_SIZES = (8, 16, 32)
TRIED_SHARE = 8  # settings are tried on one text of so many
LEAST_COSINE = 0.98


class Encoding(Comparison):
    """Real notes, cut at 128 and at 256 tokens."""

    name = "encode"
    title = "Encode notes"

    def rows(self, options: Options) -> list[Row]:
        number = 24 if options.quick else 256
        return [
            _row(f"{tokens}", f"{number} {_kind(options)} notes, {tokens} tokens", backend, values)
            for tokens in (128, 256)
            for values in [_values(options, notes=number, tokens=tokens)]
            for backend in _backends()
        ]

    def prepare(self, row: Row, folder: Path) -> None:
        _write(folder, different_notes(Path(row.values["data"]), row.values["notes"]))

    def contenders(self, row: Row, folder: Path) -> Mapping[str, Contender]:
        pythons: dict[str, Path | None] = {OURS: None, TORCH: None}
        if row.values["openvino"]:
            pythons[OPENVINO] = Path(row.values["openvino"])
        return {side: Worker(self.name, side, row, folder, python=python) for side, python in pythons.items()}

    def work(self, side: str, row: Row, folder: Path) -> Work:
        return _ours(row, folder) if side == OURS else _theirs(row, folder, side)

    def agreement(self, row: Row, folder: Path, ours: Measurement, side: str, theirs: Measurement) -> str:
        import numpy as np

        cosines = np.einsum("ij,ij->i", *(np.load(folder / f"{name}.npy") for name in (OURS, side)))
        if not cosines.min() >= LEAST_COSINE:
            raise BenchError(f"{row.what}, {side}: a text's two vectors have the cosine {cosines.min():.4f}")
        return f"cosine of a text's two vectors {cosines.min():.4f} or more"


class MixedEncoding(Encoding):
    """Texts of all lengths, some of them twice."""

    name = "encode-mixed"
    title = "Encode a mixed corpus"

    def rows(self, options: Options) -> list[Row]:
        number = 24 if options.quick else 192
        what = (
            f"{number} texts of 30 to 2,000 words from {_kind(options)} notes, a third repeated, 256 tokens"
        )
        values = _values(options, notes=2 * number, texts=number, tokens=256)
        return [_row("mixed", what, backend, values) for backend in _backends()]

    def prepare(self, row: Row, folder: Path) -> None:
        notes = different_notes(Path(row.values["data"]), row.values["notes"])
        _write(folder, mixed_corpus(notes, row.values["texts"]))


def _backends() -> list[str]:
    """Those of ours that are installed; the reference comes first."""
    from medembed_pipeline.encoder.settings import OPENVINO, OPENVINO_INT8, missing_packages

    return ["torch", *(backend for backend in (OPENVINO, OPENVINO_INT8) if not missing_packages(backend))]


def _row(name: str, what: str, backend: str, values: dict[str, Any]) -> Row:
    return Row(f"{name}-{backend}", f"{what}, ours in {backend}", 4, {**values, "backend": backend})


def _kind(options: Options) -> str:
    return "real" if has_real_notes(options.data) else "sample"


def _values(options: Options, **more: int) -> dict[str, Any]:
    openvino = str(options.openvino.absolute()) if options.openvino else ""
    return {"data": str(options.data.resolve()), "openvino": openvino, **more}


def _write(folder: Path, texts: list[str]) -> None:
    """The texts, and where the model lies: the peers' environment need not have its package."""
    from medembed_pipeline.encoder import resolve_base

    write_texts(folder, texts)
    (folder / "model").write_text(str(resolve_base("bundled")), encoding="utf-8")


def _ours(row: Row, folder: Path) -> Work:
    import numpy as np

    from medembed_pipeline.encoder import EncoderSpec
    from medembed_pipeline.encoder.devices import resolve_computed_in
    from medembed_pipeline.encoder.model import load_encoder
    from medembed_pipeline.encoder.settings import EncoderSettings, backend_and_precision
    from medembed_pipeline.lake.lake import Lake

    texts = read_texts(folder)
    computed_in = resolve_computed_in(EncoderSettings(device="cpu", backend=row.values["backend"]))
    encoder = load_encoder(
        EncoderSpec(max_tokens=row.values["tokens"]),
        device="cpu",
        precision=computed_in,
        lake=Lake(str(folder / "exported")),
    )
    encoder.encode(_tried(texts))
    config = encoder.transformer.config
    lengths = encoder.tokenize(list(dict.fromkeys(texts))).lengths.astype(np.float64)
    per_token = 4 * config.hidden_size**2 + 2 * config.hidden_size * config.intermediate_size
    operations = config.num_hidden_layers * float(
        (2 * lengths * per_token + 4 * lengths**2 * config.hidden_size).sum()
    )

    def facts(vectors: Any) -> dict[str, Any]:
        np.save(folder / f"{OURS}.npy", vectors)
        backend, precision = backend_and_precision(computed_in)
        # The rate of products of 8 bits is not measured.
        floor = {} if backend.endswith("int8") else {precision: operations}
        return {"floor": floor, "words": computed_in}

    return Work(lambda: encoder.encode(texts), facts)


def _theirs(row: Row, folder: Path, side: str) -> Work:
    """The fastest of some settings, tried on some of the texts before anything is measured."""
    import numpy as np
    from sentence_transformers import SentenceTransformer

    texts = read_texts(folder)
    path = (folder / "model").read_text(encoding="utf-8")
    if side == OPENVINO:
        models = {"OpenVINO": SentenceTransformer(path, backend="openvino", device="cpu")}
    else:
        import torch

        models = {
            f"torch {kind}": SentenceTransformer(
                path, device="cpu", model_kwargs={"dtype": getattr(torch, kind)}
            )
            for kind in _formats()
        }
    tried: dict[tuple[str, int], float] = {}
    for name, model in models.items():
        model.max_seq_length = row.values["tokens"]
        model.encode(_tried(texts)[:4], show_progress_bar=False)
        for batch_size in BATCH_SIZES:
            began = time.perf_counter()
            model.encode(_tried(texts), batch_size=batch_size, show_progress_bar=False)
            tried[name, batch_size] = time.perf_counter() - began
    best, batch_size = min(tried, key=tried.__getitem__)
    model = models[best]
    models.clear()

    def encode() -> Any:
        return model.encode(texts, batch_size=batch_size, normalize_embeddings=True, show_progress_bar=False)

    def facts(vectors: Any) -> dict[str, Any]:
        np.save(folder / f"{side}.npy", vectors.astype(np.float32))
        return {"words": f"sentence-transformers, {best}, {batch_size} a batch"}

    return Work(encode, facts)


def _tried(texts: list[str]) -> list[str]:
    return texts[::TRIED_SHARE] if len(texts) > TRIED_SHARE**2 else texts[:TRIED_SHARE]


def _formats() -> list[str]:
    """Number formats that the CPU computes in."""
    from medembed_pipeline.encoder.precision import cpu_computes_in_bfloat16

    return ["float32", *(["bfloat16"] if cpu_computes_in_bfloat16() else [])]
