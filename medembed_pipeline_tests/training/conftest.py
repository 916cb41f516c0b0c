"""The model and corpus that the training's tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from medembed_pipeline.encoder import EncoderSpec
from medembed_pipeline.training import TrainingData
from medembed_pipeline_tests.encoder.small_models import make_bert
from medembed_pipeline_tests.training.small_corpus import make_data


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """These models are so small that threads would wait for one another most of the time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="session")
def spec(bert: Path) -> EncoderSpec:
    return EncoderSpec(base=str(bert), max_tokens=24)


@pytest.fixture(scope="session")
def data() -> TrainingData:
    return make_data()
