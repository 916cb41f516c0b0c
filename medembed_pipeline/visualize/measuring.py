"""The stages that measure models which are given, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.evaluation.settings import SliceSettings
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.notes.slices import SliceError, refuse_unusable_slices
from medembed_pipeline.section import Section
from medembed_pipeline.settings import Settings
from medembed_pipeline.training.given import give_checkpoint
from medembed_pipeline.visualize.graph import OwnGraph
from medembed_pipeline.visualize.models import NamedModel
from medembed_pipeline.visualize.progress import Progress

TOKEN_BUDGETS = (64, 4_194_304)
"""What `encoder.token_budget` allows."""


def sections_of(settings: Settings) -> list[Section]:
    """All sections that a stage can show in the launchpad."""
    return [
        *(section for _, section in settings),
        SliceSettings(**settings.evaluation.model_dump()),
    ]


def with_usable_slices(settings: Settings, lake: Lake) -> Settings:
    """The settings with those slices that the file allows: they were chosen for other files."""
    raw = lake.table("raw_transcriptions")
    usable = []
    for name in settings.evaluation.slices:
        try:
            refuse_unusable_slices(raw, [name])
        except SliceError:
            continue
        usable.append(name)
    return settings.model_copy(
        update={"evaluation": settings.evaluation.model_copy(update={"slices": usable})}
    )


class Measuring:
    """Runs the stages that measure a model.

    Parameters
    ----------
    graph
        with notes.
    settings
        in force.
    encoder
        the same, with the baseline as the base model.
    batch_size
        notes that fill a model's window in one batch; None: the settings' token budget.
    progress
        told what goes on.
    """

    def __init__(
        self,
        graph: OwnGraph,
        settings: Settings,
        encoder: EncoderSettings,
        batch_size: int | None,
        progress: Progress,
    ) -> None:
        self._graph, self._settings, self._encoder = graph, settings, encoder
        self._batch_size, self._progress = batch_size, progress

    def baseline(self, model: NamedModel) -> None:
        """Encode with the baseline."""
        self._progress.say(f"encoding with {model.name}")
        self._make(["baseline_embeddings"], model)

    def compared(self, model: NamedModel) -> pa.Table:
        """The table `embedding_metrics` of a further model."""
        self._progress.say(f"scoring {model.name}")
        self._give(model)
        self._make(["tuned_embeddings", "embedding_metrics"], model)
        return self._graph.lake.table("embedding_metrics").read()

    def whole(self, model: NamedModel) -> list[str]:
        """Everything of the page's own model; returns the names of the tables."""
        self._progress.say(f"encoding with {model.name}")
        self._give(model)
        names = self._graph.measured(slices=bool(self._settings.evaluation.slices))
        self._make(names, model)
        return names

    def _give(self, model: NamedModel) -> None:
        give_checkpoint(self._graph.lake, model.spec)

    def _make(self, stages: Sequence[str], model: NamedModel) -> None:
        encoder = self._encoder
        if self._batch_size is not None:
            least, most = TOKEN_BUDGETS
            budget = min(max(self._batch_size * model.spec.max_tokens, least), most)
            encoder = encoder.model_copy(update={"token_budget": budget})
        with self._progress.bar(len(stages)):
            self._graph.make(stages, sections_of(self._settings.model_copy(update={"encoder": encoder})))
