"""What a base model's folder holds, loaded by transformers: configuration, tokenizer, weights."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from medembed_pipeline.encoder.modules import lower_cases, read_json
from medembed_pipeline.errors import MedembedError


def load_base(folder: Path) -> tuple[Any, Any]:
    """Configuration and tokenizer of a model folder.

    Raises
    ------
    MedembedError
        they cannot be loaded, or the model needs code that comes with it.
    """
    from transformers import AutoConfig, AutoTokenizer

    _refuse_own_code(folder)
    with _loading(folder):
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if lower_cases(folder):
        _lower_case(tokenizer)
    return config, tokenizer


def load_transformer(folder: Path, seed: int) -> Any:
    """The transformers model of a folder, in float32.

    Raises
    ------
    MedembedError
        it cannot be loaded.
    """
    from transformers import AutoModel

    # Weights that the folder doesn't hold (a BERT without pooler) are drawn at random, but seeded.
    with _loading(folder), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AutoModel.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, dtype=torch.float32
        )


@contextlib.contextmanager
def _loading(folder: Path) -> Iterator[None]:
    """Without what transformers has to say, and with one error for all that it raises."""
    from transformers.utils import logging as transformers_logging

    verbosity, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    except Exception as error:
        # transformers raises what its parts raise: OSError, ValueError, KeyError, SafetensorError, ...
        raise MedembedError(
            f"base: the model folder {folder} can't be loaded ({type(error).__name__}: {str(error)[:300]}); "
            "expected a text model with weights, config.json and tokenizer files that AutoModel reads."
        ) from error
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()


def _refuse_own_code(folder: Path) -> None:
    code = (read_json(folder / "config.json").get("auto_map") or {}).get("AutoModel")
    if code:
        raise MedembedError(
            f"base: the model folder {folder} names code of its own to compute its vectors (auto_map {code!r} in "
            "config.json), and no code that comes with a model is run. Choose another base model; where transformers' "
            "own class is known to give the same vectors, take 'auto_map' out of a copy of the folder."
        )


def _lower_case(tokenizer: Any) -> None:
    """Have the tokenizer lower-case its texts first, as sentence-transformers does for `do_lower_case`."""
    from tokenizers import normalizers

    backend = tokenizer.backend_tokenizer
    rest = [backend.normalizer] if backend.normalizer is not None else []
    backend.normalizer = normalizers.Sequence([normalizers.Lowercase(), *rest])
