"""A transformer as OpenVINO computes it: exported once, kept in the lake, and called like the one it was made from.

Only the transformer is exported. Pooling, Dense layers, projection and unit length stay this room's own code in torch,
in float32, so that every backend honours them alike.

OpenVINO's conversion of torch modules: https://docs.openvino.ai/2026/openvino-workflow/model-preparation.html; static
quantisation by NNCF: https://docs.openvino.ai/2026/openvino-workflow/model-optimization-guide/quantizing-models-post-training.html
"""

from __future__ import annotations

import contextlib
import inspect
import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from medembed_pipeline.encoder.fingerprint import CALIBRATION, EXPORT_REVISION, EXPORTED, export_key
from medembed_pipeline.encoder.settings import OPENVINO_INT8, TORCH, backend_and_precision, missing_packages
from medembed_pipeline.encoder.spec import resolve_base
from medembed_pipeline.encoder.tokens import budget_batches, tokenize
from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.lake import Lake

_MODEL, _MANIFEST = "model.xml", "manifest.json"
# Of a random text's token vectors in torch and as exported, in float32.
LEAST_EXPORT_COSINE = 0.9999
_HINTS = {"float32": "f32", "bfloat16": "bf16"}


@dataclass(frozen=True)
class Hidden:
    """What a transformer returns, as far as this room asks for it: float32 [batch, tokens, width]."""

    last_hidden_state: torch.Tensor


class ExportedTransformer(nn.Module):
    """A compiled model in the place of a transformers model: same call, no weights that could be trained.

    Parameters
    ----------
    model
        `openvino.Model`, or the path of one.
    config
        of the transformers model that it was exported from.
    precision
        number format of the products that are not quantised.
    """

    def __init__(self, model: Any, config: Any, precision: str) -> None:
        super().__init__()
        self.config = config
        how = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            # As many threads as torch takes, which is what the environment and the engine have said.
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "NUM_STREAMS": 1,
        }
        self._compiled = _openvino().Core().compile_model(model, "CPU", how)
        self._of_thread = threading.local()

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Hidden:
        """Token vectors of padded windows, float32 [batch, tokens, width]; good until the thread's next call."""
        request = getattr(self._of_thread, "request", None)
        if request is None:
            request = self._of_thread.request = self._compiled.create_infer_request()
        request.infer([input_ids.numpy(), attention_mask.numpy()], share_inputs=True, share_outputs=True)
        return Hidden(torch.from_numpy(request.get_output_tensor(0).data))


def exported_transformer(
    folder: Path,
    load: Callable[[], Any],
    config: Any,
    tokenizer: Any,
    *,
    backend: str,
    precision: str,
    lake: Lake | None,
) -> ExportedTransformer:
    """A model folder's transformer as OpenVINO computes it.

    Parameters
    ----------
    folder
        the model folder.
    load
        gives its transformer in torch; called only where it has to be exported.
    config, tokenizer
        its own.
    backend
        `openvino` or `openvino-int8`.
    precision
        `float32` or `bfloat16`, of the products that are not of 8 bits.
    lake
        keeps what was exported; None to export for this process alone.

    Raises
    ------
    MedembedError
        a package is missing, or the model cannot be exported.
    """
    refuse_missing(backend)
    quantised = backend == OPENVINO_INT8
    if lake is None:
        return ExportedTransformer(
            _made(load(), tokenizer, str(folder), quantised=quantised), config, precision
        )
    key = export_key(folder, quantised=quantised)
    if not lake.exists(*EXPORTED, key, _MANIFEST):
        with lake.machine_lock(f"export-{key[:16]}"):
            # Somebody else may have made it while this process waited.
            if not lake.exists(*EXPORTED, key, _MANIFEST):
                _keep(
                    lake, key, _made(load(), tokenizer, str(folder), quantised=quantised), quantised=quantised
                )
    place = lake.local_copy(*EXPORTED, key, last=_MANIFEST)
    return ExportedTransformer(str(place / _MODEL), config, precision)


def is_exported(lake: Lake, base: str, computed_in: str) -> bool:
    """Whether a lake holds a model as a backend needs it; False for torch, which needs nothing."""
    backend, _ = backend_and_precision(computed_in)
    if backend == TORCH:
        return False
    key = export_key(resolve_base(base), quantised=backend == OPENVINO_INT8)
    return lake.exists(*EXPORTED, key, _MANIFEST)


def refuse_missing(backend: str) -> None:
    """Refuse a backend whose packages are not here.

    Raises
    ------
    MedembedError
        with the command that installs them.
    """
    missing = missing_packages(backend)
    if missing:
        raise MedembedError(
            f"backend: vectors are to be computed by {backend!r}, which needs {' and '.join(missing)}; run "
            "`pip install 'medembed_pipeline[fast]'`."
        )


def _keep(lake: Lake, key: str, model: Any, *, quantised: bool) -> None:
    openvino = _openvino()
    with lake.staged_folder(*EXPORTED, key, last=_MANIFEST) as staged:
        openvino.save_model(model, str(staged / _MODEL), compress_to_fp16=False)
        manifest = {"revision": EXPORT_REVISION, "quantised": quantised, "openvino": openvino.__version__}
        (staged / _MANIFEST).write_text(
            json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8"
        )


def _made(transformer: Any, tokenizer: Any, name: str, *, quantised: bool) -> Any:
    """The exported model, whose vectors were compared with torch's."""
    window = min(largest_window(transformer.config) or CALIBRATION["max_tokens"], CALIBRATION["max_tokens"])
    model = _converted(transformer, name)
    _refuse_other_vectors(transformer, model, name, window)
    return _quantised(model, tokenizer, window) if quantised else model


class _TokenVectors(nn.Module):
    """A transformer with the two inputs and the one output that are exported."""

    def __init__(self, transformer: Any) -> None:
        super().__init__()
        self._transformer = transformer
        self._more = no_cache(transformer)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        states: torch.Tensor = self._transformer(
            input_ids=input_ids, attention_mask=attention_mask, **self._more
        ).last_hidden_state
        return states


def no_cache(transformer: Any) -> dict[str, bool]:
    """What a decoder has to be told: it keeps every layer's keys and values for a next token, and none will come."""
    return {"use_cache": False} if "use_cache" in inspect.signature(transformer.forward).parameters else {}


def largest_window(config: Any) -> int | None:
    """Tokens that a model can read at once; None where its configuration sets no limit."""
    positions = getattr(config, "max_position_embeddings", None)
    if positions is None:
        return None
    # RoBERTa's family counts positions from the padding id on.
    family = ("roberta", "camembert", "mpnet", "longformer")
    counted_from = int(config.pad_token_id) + 1 if any(name in config.model_type for name in family) else 0
    return int(positions) - counted_from


def _converted(transformer: Any, name: str) -> Any:
    openvino = _openvino()
    shape, kind = openvino.PartialShape([-1, -1]), openvino.Type.i64
    try:
        with _quiet(), torch.inference_mode():
            return openvino.convert_model(
                _TokenVectors(transformer.eval()),
                example_input=_drawn_windows(transformer, rows=3, tokens=8),
                input=[("input_ids", shape, kind), ("attention_mask", shape, kind)],
            )
    except Exception as error:
        # What cannot be traced or converted is told by whatever part meets it first.
        raise MedembedError(
            f"backend: {name} cannot be exported to OpenVINO ({type(error).__name__}). Set [encoder] backend to "
            "'torch'."
        ) from error


def _drawn_windows(transformer: Any, *, rows: int, tokens: int) -> dict[str, torch.Tensor]:
    """Random windows, each but the first shorter than the one before."""
    drawn = np.random.default_rng(0).integers(0, transformer.config.vocab_size, (rows, tokens))
    lengths = np.linspace(tokens, max(2, tokens // 2), rows).astype(np.int64)
    mask = np.arange(tokens) < lengths[:, None]
    return {"input_ids": torch.from_numpy(drawn), "attention_mask": torch.from_numpy(mask.astype(np.int64))}


def _refuse_other_vectors(transformer: Any, model: Any, name: str, window: int) -> None:
    """Refuse a model that computes something else once exported, as at other lengths than it was traced with.

    Raises
    ------
    MedembedError
        a token's two vectors point in different directions.
    """
    original, exported = _TokenVectors(transformer), ExportedTransformer(model, transformer.config, "float32")
    for rows, tokens in ((1, window), (2, window // 2 - 1), (5, 5)):
        windows = _drawn_windows(transformer, rows=rows, tokens=tokens)
        with torch.inference_mode():
            found = torch.cosine_similarity(
                original(**windows), exported(**windows).last_hidden_state, dim=-1
            )
        cosines = found[windows["attention_mask"].bool()]
        # Written so that NaN is refused too.
        if not cosines.min() >= LEAST_EXPORT_COSINE:
            raise MedembedError(
                f"backend: {name} has other vectors once it is exported to OpenVINO (cosine {float(cosines.min()):.4f} "
                f"at {tokens} tokens). Set [encoder] backend to 'torch'."
            )


def _quantised(model: Any, tokenizer: Any, window: int) -> Any:
    """The model with products of 8 bits, whose ranges were seen on sample notes: no note of anybody's decides them."""
    _openvino()
    import nncf

    batches = [
        {"input_ids": ids.astype(np.int64), "attention_mask": mask.astype(np.int64)}
        for ids, mask in _calibration_batches(tokenizer, window)
    ]
    with _quiet():
        return nncf.quantize(
            model,
            nncf.Dataset(batches),
            subset_size=len(batches),
            model_type=nncf.ModelType.TRANSFORMER,
        )


def _calibration_batches(
    tokenizer: Any, window: int
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]]:
    from medembed_pipeline.samples.corpus import sample_rows

    rows = sample_rows(CALIBRATION["notes"], CALIBRATION["seed"])
    texts: Sequence[str] = list(dict.fromkeys(row["transcription"] for row in rows))
    windows = tokenize(tokenizer, texts, max_tokens=window, windows=False)
    for batch in budget_batches(windows.lengths, CALIBRATION["batch_tokens"]):
        yield windows.padded(batch, int(tokenizer.pad_token_id or 0))


def _openvino() -> Any:
    """OpenVINO, kept from telling its makers of each use: without that package neither it nor NNCF says anything."""
    sys.modules.setdefault("openvino_telemetry", cast(Any, None))
    import openvino

    return openvino


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings of a trace, and without the lines and bars of those who take part in it."""
    loggers = [logging.getLogger(name) for name in ("nncf", "transformers")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
