"""The text encoder itself: transformer, pooling, Dense layers, optional projection, unit length, head."""

import contextlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from medembed_pipeline.encoder.base_files import load_base, load_transformer
from medembed_pipeline.encoder.dense import load_dense, load_head, load_projection, through_head
from medembed_pipeline.encoder.devices import resolve_device, resolve_precision
from medembed_pipeline.encoder.exported import exported_transformer, largest_window, no_cache
from medembed_pipeline.encoder.lower_layers import MOST_STATE_BYTES, LowerLayers
from medembed_pipeline.encoder.memory import keep_freed_memory
from medembed_pipeline.encoder.pooling import pool
from medembed_pipeline.encoder.settings import TORCH, backend_and_precision
from medembed_pipeline.encoder.spec import EncoderSpec, Role, resolve_base
from medembed_pipeline.encoder.tokens import Windows, budget_batches, tokenize
from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.lake import Lake

# Tokens per batch, padding included: on a CPU what stays near its caches, on a GPU what keeps it busy.
CPU_TOKEN_BUDGET = 4096
GPU_TOKEN_BUDGET = 65_536

OnBatch = Callable[[int], None]
"""Called after every batch with the number of texts done so far."""


class Encoder(nn.Module):
    """Texts to unit vectors. Made by `load_encoder`.

    Examples
    --------
    >>> from medembed_pipeline.encoder import EncoderSpec
    >>> from medembed_pipeline.encoder.model import load_encoder
    >>> encoder = load_encoder(EncoderSpec(), device="cpu")
    >>> encoder.encode(["Chest pain on exertion.", "Fracture of the left wrist."]).shape
    (2, 384)

    Attributes
    ----------
    spec
        what it is made of.
    transformer
        the token encoder (a transformers model).
    dense
        the base model's own layers after pooling (`medembed_pipeline.encoder.dense.Dense`), mostly none.
    projection
        linear layer after these, or None.
    head
        layers after unit length (`Dense`, too), mostly none; unit length follows again.
    tokenizer
        the fast tokenizer of the base model.
    precision
        what computes the vectors: "float32" or "bfloat16", the format of torch's matrix products, or
        a backend and one of these (`EncoderSettings.computed_in`). Only torch's can be trained.
    lower
        layers that `read` computes once, or None.
    reads_whole
        whether `read` computes everything up to the head once.
    """

    def __init__(
        self,
        *,
        spec: EncoderSpec,
        transformer: nn.Module,
        tokenizer: Any,
        projection: nn.Linear | None,
        precision: str,
        dense: nn.ModuleList | None = None,
        head: nn.ModuleList | None = None,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.transformer: Any = transformer
        self.tokenizer = tokenizer
        self.dense = dense if dense is not None else nn.ModuleList()
        self.projection = projection
        self.head = head if head is not None else nn.ModuleList()
        self.precision = precision
        self.lower: LowerLayers | None = None
        self.reads_whole = False
        self._no_cache = no_cache(transformer)
        # Some tokenizers have no padding token; the mask hides whatever stands there.
        self._pad_id = int(tokenizer.pad_token_id or 0)

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        if self.spec.head:
            return self.spec.head[-1].dimensions
        if self.projection is not None:
            return self.projection.out_features
        if self.spec.dense:
            return self.spec.dense[-1].dimensions
        return int(self.transformer.config.hidden_size)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        # An exported transformer has no weights that torch knows of, and computes on the CPU.
        weights = next(self.transformer.parameters(), None)
        return torch.device("cpu") if weights is None else weights.device

    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor, left_out: int = 0) -> torch.Tensor:
        """Unit vectors of tokenised windows.

        Parameters
        ----------
        token_ids
            int64 [batch, tokens], padded on the right: some models count positions from the left.
        mask
            bool [batch, tokens], True on real tokens.
        left_out
            tokens at the beginning of each row that are not pooled (`Windows.left_out`).

        Returns
        -------
        torch.Tensor
            float32 [batch, dimensions], L2-normalised.
        """
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bfloat16"):
            # token_type_ids are left to the model: zeros where it has them, none where it hasn't.
            states = self.transformer(
                input_ids=token_ids, attention_mask=mask.long(), **self._no_cache
            ).last_hidden_state
        pooled = pool(states.float(), mask, self.spec.pooling, left_out=left_out)
        for layer in self.dense:
            pooled = layer(pooled)
        if self.projection is not None:
            pooled = self.projection(pooled)
        return through_head(self.head, nn.functional.normalize(pooled, dim=-1))

    def tokenize(self, texts: Sequence[str], *, role: Role = "document", part_tokens: int = 0) -> Windows:
        """The texts' windows: one each with `long_notes="cut"`, one or more each with `"windows"`.

        Parameters
        ----------
        texts
            without the prompt.
        role
            decides which prompt each window begins with.
        part_tokens
            above 0: the whole text in windows of so many tokens, whatever the spec says.
        """
        return tokenize(
            self.tokenizer,
            texts,
            max_tokens=part_tokens or self.spec.max_tokens,
            windows=bool(part_tokens) or self.spec.long_notes == "windows",
            prompt=self.spec.prompt(role),
            include_prompt=self.spec.include_prompt,
        )

    def embed(self, windows: Windows, chosen: npt.NDArray[np.int64]) -> torch.Tensor:
        """float32 [chosen, dimensions]: unit vectors of chosen windows, with gradients where these are on."""
        if windows.vectors is not None:
            return through_head(self.head, *self._on_device(windows.vectors[chosen]))
        ids, mask = self._on_device(*windows.padded(chosen, self._pad_id))
        # Named only where it says something: whoever wraps `forward` mostly need not know of it.
        more = {"left_out": windows.left_out} if windows.left_out else {}
        states = windows.padded_states(chosen)
        vectors: torch.Tensor
        if self.lower is None or states is None:
            vectors = self(ids, mask, **more)
        else:
            with self.lower.skipped(*self._on_device(states)):
                vectors = self(ids, mask, **more)
        return vectors

    def read(self, windows: Windows, *, token_budget: int | None = None) -> Windows:
        """The windows with what the layers of `lower` make of them, from which `embed` goes on.

        That holds while these layers stay as they are. Windows whose states would take more than `MOST_STATE_BYTES` are
        returned as they are: then `embed` calls all layers. With `reads_whole` it is the vectors that a head will begin
        with; there must be none yet.
        """
        if self.reads_whole:
            return replace(windows, vectors=self._vectors_of(windows, token_budget or self._token_budget))
        size = (len(windows.token_ids), int(self.transformer.config.hidden_size))
        if self.lower is None or size[0] * size[1] * 4 > MOST_STATE_BYTES:
            return windows
        found = np.empty(size, dtype=np.float32)
        for batch in budget_batches(windows.lengths, token_budget or self._token_budget):
            ids, mask = self._on_device(*windows.padded(batch, self._pad_id))
            states = self.lower.states(partial(self, ids, mask))[mask]
            places = windows.starts[batch, None] + np.arange(ids.shape[1])
            found[places[mask.cpu().numpy()]] = states.cpu().numpy()
        return replace(windows, states=found)

    def _vectors_of(self, windows: Windows, budget: int) -> npt.NDArray[np.float32]:
        """float32 [windows, d]: the unit vector of each window."""
        found = np.empty((len(windows.lengths), self.dimensions), dtype=np.float32)
        for batch in budget_batches(windows.lengths, budget):
            found[batch], budget = self._encode_batch(windows, batch, budget)
        return found

    def _on_device(self, *arrays: npt.NDArray[Any]) -> list[torch.Tensor]:
        return [torch.from_numpy(array).to(self.device) for array in arrays]

    @property
    def _token_budget(self) -> int:
        return GPU_TOKEN_BUDGET if self.device.type == "cuda" else CPU_TOKEN_BUDGET

    def encode(
        self,
        texts: Sequence[str],
        *,
        role: Role = "document",
        token_budget: int | None = None,
        progress: bool = False,
        on_batch: OnBatch | None = None,
    ) -> npt.NDArray[np.float32]:
        """The unit vectors of some texts, in their order.

        A text's vector depends on no other text, up to 1e-5 in each coordinate (the shape of a batch decides
        the order of float32 sums). The same texts on the same CPU give the same bytes.

        Parameters
        ----------
        texts
            the texts, without the prompt; equal ones are encoded once.
        role
            `document` for notes, `query` for what is searched with; makes no difference without prompts.
        token_budget
            tokens per batch, padding included; None for the device's default.
        progress
            show a tqdm bar.
        on_batch
            called after every batch with the number of texts done so far.

        Returns
        -------
        npt.NDArray[np.float32]
            float32 [texts, dimensions], L2-normalised.
        """
        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        with _bar(len(texts), shown=progress) as advance:

            def report(done: int) -> None:
                advance(done)
                if on_batch is not None:
                    on_batch(done)

            for indices, block in self.encode_stream(
                texts, role=role, token_budget=token_budget, on_batch=report
            ):
                vectors[indices] = block
        return vectors

    def encode_stream(
        self,
        texts: Iterable[str],
        *,
        role: Role = "document",
        token_budget: int | None = None,
        block_size: int = 16_384,
        on_batch: OnBatch | None = None,
    ) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]]:
        """The unit vectors of any number of texts, a block at a time, in bounded memory.

        Parameters
        ----------
        texts
            read once, `block_size` at a time.
        role
            see `encode`.
        token_budget
            tokens per batch, padding included; None for the device's default.
        block_size
            texts held at once; lengths are sorted, and equal texts found, within a block.
        on_batch
            called after every batch with the number of texts done so far.

        Yields
        ------
        tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]
            int64 [n] positions of the texts, ascending, and float32 [n, dimensions] their vectors.
        """
        keep_freed_memory()
        iterator = iter(texts)
        first = 0
        while block := list(islice(iterator, block_size)):
            yield (
                np.arange(first, first + len(block)),
                self._encode_block(block, role, token_budget, on_batch, first),
            )
            first += len(block)

    def _encode_block(
        self,
        texts: list[str],
        role: Role,
        token_budget: int | None,
        on_batch: OnBatch | None,
        done_before: int,
    ) -> npt.NDArray[np.float32]:
        position: dict[str, int] = {}
        text_of = np.array([position.setdefault(text, len(position)) for text in texts], dtype=np.int64)
        repeats = np.bincount(text_of)
        done = done_before

        def finished(texts: npt.NDArray[np.int64]) -> None:
            nonlocal done
            done += int(repeats[texts].sum())
            if on_batch is not None:
                on_batch(done)

        windows = self.tokenize(list(position), role=role)
        return self.encode_windows(windows, token_budget=token_budget, on_texts=finished)[text_of]

    def encode_windows(
        self,
        windows: Windows,
        *,
        token_budget: int | None = None,
        on_texts: Callable[[npt.NDArray[np.int64]], None] | None = None,
    ) -> npt.NDArray[np.float32]:
        """The unit vectors of tokenised texts, as `encode` gives them.

        Parameters
        ----------
        windows
            one or more of each text.
        token_budget
            see `encode`.
        on_texts
            called after every batch with the places of the texts that it finished, int64.

        Returns
        -------
        npt.NDArray[np.float32]
            float32 [texts, dimensions], L2-normalised.
        """
        windows_left = np.bincount(windows.text_index)
        sums = np.zeros((len(windows_left), self.dimensions), dtype=np.float32)
        budget = token_budget or self._token_budget
        was_training = self.training
        self.eval()
        try:
            for batch in budget_batches(windows.lengths, budget):
                vectors, budget = self._encode_batch(windows, batch, budget)
                owners = windows.text_index[batch]
                # A window counts by its tokens, so that a short last one does not weigh like a full one.
                np.add.at(sums, owners, vectors * windows.weights[batch, None].astype(np.float32))
                np.subtract.at(windows_left, owners, 1)
                if on_texts is not None:
                    touched = np.unique(owners)
                    on_texts(touched[windows_left[touched] == 0])
        finally:
            self.train(was_training)
        sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return sums

    def _encode_batch(
        self, windows: Windows, batch: npt.NDArray[np.int64], budget: int
    ) -> tuple[npt.NDArray[np.float32], int]:
        """Vectors of one batch, and the budget it took: halved while a GPU has too little memory."""
        try:
            with torch.inference_mode():
                return self.embed(windows, batch).cpu().numpy(), budget
        except torch.cuda.OutOfMemoryError:
            if len(batch) == 1:
                raise MedembedError(
                    f"device: out of GPU memory with a single window of {self.spec.max_tokens} tokens; lower "
                    "max_tokens, choose a smaller base model, or set device to 'cpu'."
                ) from None
        torch.cuda.empty_cache()
        warnings.warn(f"out of GPU memory: token_budget halved from {budget} to {budget // 2}", stacklevel=2)
        halves = [self._encode_batch(windows, half, budget // 2) for half in np.array_split(batch, 2)]
        return np.concatenate([vectors for vectors, _ in halves]), min(smaller for _, smaller in halves)


def load_encoder(
    spec: EncoderSpec,
    *,
    device: str = "auto",
    precision: str = "auto",
    seed: int = 0,
    lake: Lake | None = None,
) -> Encoder:
    """Load the encoder that `spec` describes.

    Parameters
    ----------
    spec
        see `EncoderSpec`. A base folder's own linear layer (Dense module) after the spec's `dense` is taken as the
        projection where it has as many dimensions as the spec says; otherwise a new one is drawn.
    device
        `auto` (cuda, mps, cpu: the first there is), or one of them.
    precision
        `auto` (bfloat16 where the hardware computes in it), `float32` or `bfloat16`; or a backend and one of these,
        such as `openvino-bfloat16` (`EncoderSettings.computed_in`), which computes on the CPU.
    seed
        of whatever the base model's files do not hold: a new projection, missing weights.
    lake
        keeps a model that is exported for such a backend; None to export it for this process alone, in seconds.

    Raises
    ------
    MedembedError
        see `resolve_base`, `resolve_device`, `resolve_precision`, `load_dense`, `exported_transformer`; also when the
        window is larger than the model's or smaller than a prompt, and when the model needs code that comes with it,
        has a decoder beside its encoder, or cuts texts at their beginning.
    """
    keep_freed_memory()
    folder = resolve_base(spec.base)
    backend, wanted = backend_and_precision(precision)
    where = resolve_device(device if backend == TORCH else "cpu")
    number_format: str = resolve_precision(wanted, where)
    config, tokenizer = load_base(folder)
    _refuse_unusual(spec, config, tokenizer)
    transformer: nn.Module
    if backend == TORCH:
        transformer = load_transformer(folder, seed)
    else:
        transformer = exported_transformer(
            folder,
            partial(load_transformer, folder, seed),
            config,
            tokenizer,
            backend=backend,
            precision=number_format,
            lake=lake,
        )
        number_format = f"{backend}-{number_format}"
    hidden = int(config.hidden_size)
    dense = load_dense(spec, folder, hidden)
    inputs = spec.dense[-1].dimensions if spec.dense else hidden
    encoder = Encoder(
        spec=spec,
        transformer=transformer,
        tokenizer=tokenizer,
        projection=load_projection(spec, folder, inputs, seed),
        precision=number_format,
        dense=dense,
        head=load_head(spec, folder, spec.projection_dimensions or inputs),
    )
    return encoder.to(where).eval()


def _refuse_unusual(spec: EncoderSpec, config: Any, tokenizer: Any) -> None:
    if getattr(config, "is_encoder_decoder", False) or not hasattr(config, "hidden_size"):
        raise MedembedError(
            f"base: {spec.base} is of type {config.model_type}, which has several parts; supported are models of one "
            "transformer over text, such as BERT, XLM-RoBERTa or Qwen3. Choose another base model."
        )
    if tokenizer.truncation_side != "right":
        raise MedembedError(
            f"base: the tokenizer of {spec.base} cuts texts at their beginning (truncation_side "
            f"{tokenizer.truncation_side!r}), prompt and all; supported is 'right'. Choose another base model."
        )
    window = largest_window(config)
    if window is not None and spec.max_tokens > window:
        raise MedembedError(
            f"max_tokens: {spec.max_tokens} is more than the {window} that {spec.base} can read at once."
        )
    for name, prompt in (("query_prompt", spec.query_prompt), ("document_prompt", spec.document_prompt)):
        taken = len(tokenizer(prompt)["input_ids"]) if prompt else 0
        if taken >= spec.max_tokens:
            raise MedembedError(
                f"{name}: takes {taken} tokens with the special ones, which leaves nothing of max_tokens "
                f"{spec.max_tokens} for the text; raise max_tokens, or shorten the prompt."
            )


@contextlib.contextmanager
def _bar(total: int, *, shown: bool) -> Iterator[Callable[[int], None]]:
    from tqdm import tqdm

    with tqdm(total=total, unit="note", desc="encoding", disable=not shown) as bar:

        def advance_to(done: int) -> None:
            bar.update(done - bar.n)

        yield advance_to
