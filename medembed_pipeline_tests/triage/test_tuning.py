"""Encoders tuned for the level: they learn, folds do not remember, nothing is trained twice, folders answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
import torch

from medembed_pipeline.encoder.image_model import load_image_encoder
from medembed_pipeline.encoder.image_spec import ImageEncoderSpec
from medembed_pipeline.errors import MedembedError
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray
from medembed_pipeline.images.pixels import pixels_of
from medembed_pipeline.lake.publishing import LakeResource
from medembed_pipeline.maintenance import removable
from medembed_pipeline.pictures.figure import Picture
from medembed_pipeline.settings import Settings
from medembed_pipeline.training.adapters import adapt_last_blocks, adapter_products, add_products
from medembed_pipeline.triage import assets, tuning
from medembed_pipeline.triage.adapters import Adapters
from medembed_pipeline.triage.arms import NOTE, PICTURE, fit_arms
from medembed_pipeline.triage.cases import TEST, TRAIN
from medembed_pipeline.triage.folder import read_model, write_model
from medembed_pipeline.triage.inputs import encoders_part, part_rows
from medembed_pipeline.triage.making import compared_arm, make_parts
from medembed_pipeline.triage.model import TriageModel
from medembed_pipeline.triage.models import current_model
from medembed_pipeline.triage.tuning import TRAININGS, VECTORS, Tuner
from medembed_pipeline_tests.encoder.small_image_models import make_clip, make_resnet, make_vit
from medembed_pipeline_tests.triage.small_lake import ROOM, TABLES
from medembed_pipeline_tests.triage.small_tuning import TUNED, Hidden, hidden


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Hidden:
    return hidden(tmp_path_factory.mktemp("hidden"))


def rows_of(found: Hidden) -> dict[str, FloatArray]:
    """Frozen vectors."""
    return part_rows(found.lake, found.cases, found.lake.table("image_embeddings"), found.encoder, ())


def right(found: Hidden, rows: Mapping[str, FloatArray], arm: str, tuner: Tuner | None = None) -> float:
    """Share of held-out cases that an arm has right."""
    arms = fit_arms(found.cases, rows, TUNED, None if tuner is None else tuner.rows_by)
    held = found.cases.rows(TEST)
    logits = arms.logits(arm, {part: own[held] for part, own in arms.seen(rows).items()})
    return float((logits.argmax(axis=1) == found.cases.level[held]).mean())


def test_tuned_vectors_show_the_level_that_frozen_ones_hide_and_seeds_decide(
    found: Hidden, tmp_path: Path
) -> None:
    tuner = Tuner(found.encoders(), TUNED)
    adapters = tuner.adapters(found.cases.rows(TRAIN))
    frozen = rows_of(found)
    tuned = frozen | tuner.rows(adapters)
    prior = np.log(2)
    for part in (NOTE, PICTURE):
        course = adapters[part].course
        assert min(one["validation_log_loss"] for one in course) < 0.6 * prior
        assert adapters[part].epoch == min(course, key=lambda one: one["validation_log_loss"])["epoch"]
    assert right(found, tuned, NOTE, tuner) > 0.85 > 0.7 > right(found, frozen, NOTE)
    assert right(found, tuned, PICTURE, tuner) > right(found, frozen, PICTURE)
    other = hidden(tmp_path)
    again = Tuner(other.encoders(), TUNED).adapters(other.cases.rows(TRAIN))
    for part, own in adapters.items():
        assert again[part].course == own.course
        assert again[part].fingerprint("base") == own.fingerprint("base") != "base"


def test_a_fold_is_asked_of_encoders_that_have_not_learned_from_it(tmp_path: Path) -> None:
    found = hidden(tmp_path, shuffled=True)
    settings = TUNED.model_copy(update={"adapter_blocks": 2, "components": 16})
    tuner = Tuner(found.encoders(), settings)
    train = found.cases.rows(TRAIN)
    asked: list[IntArray] = []

    def rows_by(known: IntArray) -> dict[str, FloatArray]:
        asked.append(np.setdiff1d(train, known))
        return tuner.rows_by(known)

    # Levels at random, learned by heart: kept whatever validation cases say of it.
    memory = {part: _by_heart(found, part, train) for part in (NOTE, PICTURE)}
    rows = rows_of(found) | memory
    honest = fit_arms(found.cases, rows, settings, rows_by)
    leaking = fit_arms(found.cases, rows, settings, lambda known: memory)
    assert len(asked) == settings.folds
    assert sorted(np.concatenate(asked).tolist()) == train.tolist()

    def loss(tried: list[dict[str, Any]], arm: str) -> float:
        return min(one["log_loss"] for one in tried if one["arm"] == arm)

    for part in (NOTE, PICTURE):
        assert loss(leaking.tried, part) < 0.1 < 0.6 < loss(honest.tried, part)


def _by_heart(found: Hidden, part: str, train: IntArray) -> FloatArray:
    """Vectors of an encoder that knows the level of each train case, and nothing of the others."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(len(found.cases), 8))
    rows[train, 0] = 8.0 * (found.cases.level[train] - 0.5)
    return np.asarray(rows)


def test_what_validation_cases_do_not_confirm_leaves_the_encoder_as_it_is(tmp_path: Path) -> None:
    found = hidden(tmp_path, shuffled=True, patients=60)
    settings = TUNED.model_copy(update={"adapter_epochs": 3, "adapter_learning_rates": [0.5]})
    encoders = found.encoders()
    adapters = Tuner(encoders, settings).adapters(found.cases.rows(TRAIN))
    as_it_was = rows_of(found)
    for part, own in adapters.items():
        assert not own.products and own.epoch == 0 and own.course
        assert own.fingerprint("base") == "base"
        assert encoders.vectors(part, own) == pytest.approx(as_it_was[part], abs=1e-5)


def test_a_killed_run_trains_nothing_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = hidden(tmp_path, patients=60)
    train = own.cases.rows(TRAIN)
    trained: list[str] = []
    real = tuning.tune

    def killed(*given: Any) -> Adapters:
        if trained:
            raise KeyboardInterrupt
        trained.append(str(given[1]))
        return real(*given)

    quick = TUNED.model_copy(update={"adapter_epochs": 1})
    monkeypatch.setattr(tuning, "tune", killed)
    with pytest.raises(KeyboardInterrupt):
        Tuner(own.encoders(), quick).adapters(train)
    assert trained == [NOTE]

    def counted(*given: Any) -> Adapters:
        trained.append(str(given[1]))
        return real(*given)

    monkeypatch.setattr(tuning, "tune", counted)
    first = Tuner(own.encoders(), quick).adapters(train)
    assert trained == [NOTE, PICTURE]
    second = Tuner(own.encoders(), quick).adapters(train[::-1])
    assert trained == [NOTE, PICTURE] and second.keys() == first.keys()
    changed = quick.model_copy(update={"adapter_rank": 2})
    Tuner(own.encoders(), changed).adapters(train)
    assert trained == [NOTE, PICTURE, NOTE, PICTURE]


def test_a_folder_of_tuned_encoders_answers_as_its_arms_do(
    found: Hidden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuner = Tuner(found.encoders(), TUNED)
    encoders = encoders_part(found.encoder, found.image_encoder, 64)
    settings = TUNED.model_copy(update={"metadata": []})
    parts = make_parts(found.cases, lambda metadata: rows_of(found), encoders, settings, tuner)
    write_model(tmp_path, parts, card="# A model", more={})
    assert read_model(tmp_path)[0].adapters[NOTE].about() == parts.adapters[NOTE].about()
    model = TriageModel.from_folder(tmp_path, device="cpu")
    held = found.cases.rows(TEST)
    packed = found.images.read().to_pydict()
    picture = dict(zip(packed["image_id"], packed["picture"], strict=True))
    notes = [found.cases.notes[row] for row in held]
    pixels = [pixels_of(picture[str(found.cases.image_ids[row])]) for row in held]
    rows = rows_of(found) | tuner.rows(parts.adapters)
    seen = parts.arms.seen({part: own[held] for part, own in rows.items()})
    for arm in parts.arms.heads:
        wanted = parts.arms.probabilities(arm, parts.arms.logits(arm, seen))
        given = [[*one.probabilities.values()] for one in model.predict(notes, pixels, arm=arm)]
        assert np.array(given) == pytest.approx(wanted, abs=1e-3)
    # A source left out is left out of the encoders' training, too.
    asked: list[IntArray] = []

    def rows_by(known: IntArray) -> dict[str, FloatArray]:
        asked.append(known)
        return tuner.rows(parts.adapters)

    monkeypatch.setattr(tuner, "rows_by", rows_by)
    compared = compared_arm(found.cases, parts, rows, settings, tuner)
    known = found.cases.rows(TRAIN)[:30]
    assert np.isfinite(compared.without(known)).all() and asked[0].tolist() == known.tolist()
    other = TriageModel.from_folder(tmp_path, device="cpu")
    other.parts.encoders[NOTE]["fingerprint"] = "0" * 64
    with pytest.raises(MedembedError, match="encoder of the note has the fingerprint"):
        _ = other.note_encoder


def test_the_assets_tune_and_go_the_whole_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medembed_pipeline.pictures.drawing.picture", lambda figure: Picture(b"", b""))
    own = hidden(tmp_path, patients=90)
    monkeypatch.setattr(
        assets, "SETTINGS", assets.SETTINGS.model_copy(update={"image_encoder": own.image_encoder})
    )
    settings = TUNED.model_copy(update={"adapter_epochs": 4})

    def materialize(**changed: Any) -> dg.ExecuteInProcessResult:
        chosen = json.loads(settings.model_copy(update=changed).model_dump_json())
        names = [one.key.path[-1] for one in (assets.triage_model, *TABLES)]
        return dg.materialize(
            ROOM,
            resources={
                "lake": LakeResource(url=own.lake.url),
                "encoder": dg.ResourceDefinition.hardcoded_resource(own.encoder),
            },
            run_config={"ops": {name: {"config": chosen} for name in names if name != "triage_verdict"}},
        )

    result = materialize()
    note = own.lake.table("paired_cases").strings("note")[0]
    assert note not in "".join(str(event) for event in result.all_events)
    model = current_model(own.lake)
    assert set(model.parts.adapters) == {NOTE, PICTURE}
    variants = {row["variant"] for row in own.lake.table("modality_ledger").read().to_pylist()}
    assert {"emap", "shuffled_note", "shuffled_picture", "blank_note", "blank_picture"} <= variants
    left_out = [
        row
        for row in own.lake.table("shortcut_meter").read().to_pylist()
        if row["input"] == "source_left_out"
    ]
    assert {row["scope"] for row in left_out} == {"ward 0", "ward 1"}
    assert own.lake.table("triage_verdict").footer.facts["model"] == model.version
    assert own.lake.table("triage_metrics").footer.facts["tuned"] == "adapters"
    # Said again by the folder, of raw notes: the tables hold what the tuned encoders see.
    said = {
        row["case_id"]: row
        for row in own.lake.table("triage_predictions").read().to_pylist()
        if row["arm"] == NOTE
    }
    answers = TriageModel.from_folder(model.folder, device="cpu").predict(
        own.cases.notes[:9], [None] * 9, arm=NOTE
    )
    for case, answer in zip(own.cases.case_ids, answers, strict=False):
        assert [*answer.probabilities.values()] == pytest.approx(said[case]["probabilities"], abs=1e-3)
    monkeypatch.setattr("medembed_pipeline.triage.tuning.tune", lambda *given: pytest.fail("trained again"))
    again = materialize()
    kept = [
        again.asset_materializations_for_node(one.key.path[-1])[0].metadata["kept"].value for one in TABLES
    ]
    assert kept == [True] * len(TABLES)
    in_force = Settings().model_copy(
        update={"triage": settings, "encoder": own.encoder, "image_encoder": own.image_encoder}
    )
    stores = {
        item.parts[1]: item.parts[2] for item in removable(own.lake, in_force) if item.parts[0] == "store"
    }
    # Of the folds and of the encoders without a source; the trainings stand, and the model's own vectors.
    assert stores.keys() == {VECTORS}
    gone = [item.parts for item in removable(own.lake, Settings()) if item.parts[1:2] == (TRAININGS,)]
    assert len(gone) == 2
    materialize(tuned="heads")
    assert not current_model(own.lake).parts.adapters


@pytest.mark.parametrize("make", [None, make_vit, make_clip, make_resnet])
def test_adapters_of_an_image_encoder_are_added_to_the_model_that_they_began_as(
    make: Any, tmp_path: Path
) -> None:
    spec = ImageEncoderSpec(size=64) if make is None else ImageEncoderSpec(str(make(tmp_path)))
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 255, (40, 40), dtype=np.uint8) for _ in range(2)]
    encoder = load_image_encoder(spec, device="cpu")
    before = encoder.encode(pictures)
    torch.manual_seed(0)
    adapt_last_blocks(encoder.network, 1, rank=2, scale=3.0)
    assert encoder.encode(pictures) == pytest.approx(before, abs=1e-6)
    learned = [one for one in encoder.network.parameters() if one.requires_grad]
    optimizer = torch.optim.SGD(learned, lr=5.0)
    for _ in range(2):
        optimizer.zero_grad()
        (encoder.embed(encoder.prepare(pictures)) * torch.arange(encoder.dimensions)).sum().backward()
        optimizer.step()
    after = encoder.encode(pictures)
    assert np.abs(after - before).max() > 1e-3
    plain = load_image_encoder(spec, device="cpu")
    products = adapter_products(encoder.network)
    add_products(plain.network, products, 3.0)
    assert plain.encode(pictures) == pytest.approx(after, abs=1e-4)
    name, (down, up) = next(iter(products.items()))
    with pytest.raises(MedembedError, match="another one than they were learned with"):
        add_products(plain.network, {name: (down, up[:-1])}, 1.0)


def test_a_network_without_blocks_is_refused() -> None:
    with pytest.raises(MedembedError, match="no blocks of linear layers"):
        adapt_last_blocks(torch.nn.Sequential(torch.nn.Linear(2, 2)), 1, rank=1)
