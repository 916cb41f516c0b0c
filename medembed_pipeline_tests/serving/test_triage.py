"""Cases are answered by the model that the verdict is about; pictures by the one that the vectors name."""

from __future__ import annotations

import base64
import io
import json
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medembed_pipeline.encoder.image_model import load_image_encoder
from medembed_pipeline.encoder.image_spec import ImageEncoderSpec, image_encoder_fingerprint
from medembed_pipeline.errors import MedembedError
from medembed_pipeline.image_text.contrast import Projection
from medembed_pipeline.image_text.spaces import keep_projection
from medembed_pipeline.images.pixels import Limits, read_picture
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.serving.client import ServiceRefusedError, ServingClient
from medembed_pipeline.serving.errors import ServingError
from medembed_pipeline.serving.keys import Key, Keyring, hash_of
from medembed_pipeline.serving.parts import read_parts
from medembed_pipeline.serving.snapshot import build_snapshot
from medembed_pipeline.serving.triage import Case
from medembed_pipeline.triage.arms import ARMS, CONCATENATED, LATE, METADATA, NOTE, PICTURE, parts_of
from medembed_pipeline.triage.model import TriageModel
from medembed_pipeline_tests.serving.conftest import Running, running
from medembed_pipeline_tests.serving.small_lake import (
    ENCODER,
    SmallLake,
    add_image_text,
    add_triage,
    drawn_adapters,
    drawn_picture,
    judge,
    make_lake,
    new_note,
    tiny_encoders,
)

CANARY = "zqcanaryzq"
LIMITS = Limits(10**6, 32, 64)
NOTES = [new_note(1), None, new_note(2), "n/a", new_note(3)]
PICTURES = [drawn_picture(1), drawn_picture(2, side=40), None, None, None]
METADATA_GIVEN: list[dict[str, Any]] = [{"age": 71, "sex": "F"}, {}, {}, {"age": "  30 ", "sex": None}, {}]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> SmallLake:
    made = make_lake(tmp_path_factory.mktemp("triage"), notes=20)
    add_triage(made, "t1", seed=1)
    add_image_text(made)
    return made


@pytest.fixture(scope="module")
def served(lake: SmallLake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    keyring = Keyring((Key("reader", "text", hash_of("k1")), Key("clerk", "ids", hash_of("k2"))))
    with running(lake, tmp_path_factory.mktemp("served"), keyring=keyring, picture_megapixels=1) as made:
        made.http.headers["authorization"] = "Bearer k1"
        yield made


@pytest.fixture
def client(served: Running) -> Iterator[ServingClient]:
    with ServingClient(served.url, key="k1", retries=0) as made:
        yield made


def test_it_answers_as_the_model_does_and_says_what_each_arm_says(
    client: ServingClient, lake: SmallLake, served: Running
) -> None:
    model = TriageModel.from_folder(lake.lake.path("triage_models", "t1"), device="cpu")
    notes = [None if note == "n/a" else note for note in NOTES]
    pixels = [None if one is None else read_picture(one, LIMITS).pixels for one in PICTURES]
    cells: dict[str, list[Any]] = {"age": [71, None, None, 30, None], "sex": ["F", None, None, None, None]}
    answer = client.triage(NOTES, PICTURES, METADATA_GIVEN)
    arms = [CONCATENATED, NOTE, LATE, PICTURE, METADATA]
    for row, found in enumerate(answer.results):
        has = {NOTE: notes[row] is not None, PICTURE: pixels[row] is not None, METADATA: row in (0, 3)}
        able = [arm for arm in arms if all(has[part] for part in parts_of(arm))]
        assert [one.arm for one in found.arms] == able and found.arm == able[0]
        assert (found.level, found.probabilities) == (found.arms[0].level, found.arms[0].probabilities)
        for one in found.arms:
            own = model.predict(notes, pixels, cells, arm=one.arm)[row]
            assert one.level == own.level
            assert [said.level for said in one.probabilities] == ["routine", "urgent", "emergency"]
            np.testing.assert_allclose(
                [said.probability for said in one.probabilities], [*own.probabilities.values()], atol=1e-5
            )
    assert (answer.verdict, answer.ordered, answer.bundled) == ("picture_helps", True, False)
    assert answer.snapshot == served.service.snapshot().id and answer.triage_model.startswith("t1:")
    said = client.model()
    assert said.triage is not None and said.triage.arms == arms and said.triage.arms[0] in ARMS
    assert said.unanswered.keys() == {"/classify"}
    assert [(one.name, one.numbers, one.values) for one in said.triage.metadata] == [
        ("age", True, None),
        ("sex", False, ["F"]),
    ]


def test_pictures_stand_between_the_texts_of_a_pair(
    client: ServingClient, lake: SmallLake, served: Running
) -> None:
    encoder = load_image_encoder(ImageEncoderSpec(str(lake.folder / "clip")), device="cpu")
    pictures = [drawn_picture(seed) for seed in (1, 2)]
    seen = encoder.encode([read_picture(one, LIMITS).pixels for one in pictures])
    texts = ["a chest film with opacity", "clear lungs"]
    expected = seen @ encoder.encode_texts(texts).T
    answer = client.image_text(pictures)
    assert answer.image_text_model.startswith("hub:") and answer.label == ""
    for row, found in enumerate(answer.results):
        (pair,) = found.pairs
        assert (pair.pair_id, pair.positive, pair.negative) == ("lungs", *texts)
        np.testing.assert_allclose(
            [pair.positive_similarity, pair.negative_similarity, pair.margin],
            [*expected[row], expected[row][0] - expected[row][1]],
            atol=1e-5,
        )
    turned = client.image_text(pictures, [(texts[1], texts[0]), (texts[0], "heart \ud800")])
    (first, second), _ = (found.pairs for found in turned.results)
    assert (first.pair_id, second.pair_id, first.positive) == ("1", "2", None)
    assert first.margin == pytest.approx(-answer.results[0].pairs[0].margin, abs=1e-9)
    with ServingClient(served.url, key="k2", retries=0) as clerk:
        assert clerk.image_text(pictures).results[0].pairs[0].positive is None
        assert clerk.triage([new_note(1)], [None]).results[0].arm == NOTE
        about = clerk.model()
        assert about.triage is not None and about.triage.metadata[1].values is None


def png(width: int, height: int) -> bytes:
    """A grey PNG that unpacks to much."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    data = zlib.compress(bytes((width + 1) * 9) * (height // 9))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def cmyk() -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.new("CMYK", (40, 40), (1, 2, 3, 4)).save(file, format="JPEG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("picture", "kind"),
    [
        (png(9000, 9000), "too_many_pixels"),
        (drawn_picture(3)[:900], "truncated_file"),
        (b"<svg xmlns='a'><text>" + CANARY.encode() + b"</text></svg>", "not_a_picture"),
        (CANARY.encode() * 100, "not_a_picture"),
        (b"\x89PNG\r\n\x1a\n" + CANARY.encode() + b"IEND", "corrupt_file"),
        (b"%PDF-1.4 " + CANARY.encode(), "not_a_picture"),
        (b"", "empty_file"),
        (png(40, 45), "blank_picture"),
        (cmyk(), "wrong_mode"),
        (drawn_picture(3, side=10), "too_small"),
        (bytes(128) + b"DICM" + CANARY.encode(), "unsupported_file"),
    ],
)
@pytest.mark.parametrize("path", ["/triage", "/image-text"])
def test_what_is_no_picture_is_refused_with_its_reason_and_nothing_of_it(
    served: Running, path: str, picture: bytes, kind: str
) -> None:
    text = base64.b64encode(picture).decode()
    body = {"cases": [{"note": "a"}, {"picture": text}]} if path == "/triage" else {"pictures": [text]}
    answer = served.http.post(path, json=body)
    where = "cases.1.picture: " if path == "/triage" else "pictures.0: "
    assert (answer.status_code, answer.json()["error"]["kind"]) == (422, kind)
    assert answer.json()["error"]["message"].startswith(where) and CANARY not in answer.text


@pytest.mark.parametrize(
    ("case", "status", "kind"),
    [
        ({}, 422, "empty_case"),
        ({"note": " \n", "metadata": {"age": "n/a"}}, 422, "empty_case"),
        ({"picture": CANARY + "!"}, 422, "not_base64"),
        ({"picture": "é" + CANARY}, 422, "not_base64"),
        ({"note": "a", "metadata": {CANARY: 1}}, 422, "invalid"),
        ({"note": "a", CANARY: 1}, 422, "invalid"),
        ({"note": CANARY * 30_000}, 413, "text_too_long"),
        ({"note": "a", "metadata": {"age": [CANARY]}}, 422, "invalid"),
    ],
)
def test_a_case_that_cannot_be_asked_about_is_refused(
    served: Running, case: dict[str, Any], status: int, kind: str
) -> None:
    answer = served.http.post("/triage", json={"cases": [case]})
    assert (answer.status_code, answer.json()["error"]["kind"]) == (status, kind)
    assert CANARY not in answer.text


def test_too_much_is_refused_and_odd_values_are_none(served: Running, client: ServingClient) -> None:
    many = served.http.post("/triage", json={"cases": [{"note": "a"}] * 65})
    pictures = served.http.post("/image-text", json={"pictures": ["a"] * 17})
    assert [one.json()["error"]["kind"] for one in (many, pictures)] == [
        "too_many_texts",
        "too_many_pictures",
    ]
    bare = client.triage(["chest pain"], [None], [{"age": None}]).results[0]
    for odd in ("1e999", "1" * 400, "true", '"inf"'):
        body = f'{{"cases": [{{"note": "chest pain \\ud800", "metadata": {{"age": {odd}}}}}]}}'
        answer = served.http.post("/triage", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 200 and answer.json()["results"][0]["arms"][-1]["arm"] == METADATA
    assert [one.arm for one in bare.arms] == [NOTE]


def test_larger_requests_may_carry_pictures_and_counts_alone_are_noted(
    lake: SmallLake, tmp_path: Path
) -> None:
    with running(lake, tmp_path, request_megabytes=0.001, picture_request_megabytes=0.1) as made:
        with ServingClient(made.url, retries=0) as client:
            client.triage([new_note(1), None], [drawn_picture(1), drawn_picture(2)])
            client.image_text([drawn_picture(1)], [("a", "b")])
            with pytest.raises(ServiceRefusedError, match="too_large"):
                client.embed(["a" * 2000])
            with pytest.raises(ServiceRefusedError, match="104857 bytes"):
                client.triage(["a" * 110_000], [None])
        made.wait_for(lambda: len(made.audit.read_text().splitlines()) == 4)
        lines = [json.loads(line) for line in made.audit.read_text().splitlines()]
    assert [(one["asked"], one["texts"], one["pictures"], one["status"]) for one in lines[:2]] == [
        ("/triage", 1, 2, 200),
        ("/image-text", 2, 1, 200),
    ]


def test_a_new_model_answers_from_its_verdict_on_and_no_answer_is_of_two(
    small: SmallLake, tmp_path: Path
) -> None:
    folders = {"t1": add_triage(small, "t1", seed=1), "t2": add_triage(small, "t2", seed=2)}
    notes, pixels = [new_note(1)], [read_picture(drawn_picture(1), LIMITS).pixels]
    expected = {
        name: {
            arm: TriageModel.from_folder(folder, device="cpu").predict(notes, pixels, arm=arm)[0]
            for arm in (NOTE, CONCATENATED)
        }
        for name, folder in folders.items()
    }
    judge(small, "t1", "use_note")
    with running(small, tmp_path) as made:
        wrong: list[str] = []
        seen: dict[str, set[str]] = {}
        stop = threading.Event()

        def ask() -> None:
            with ServingClient(made.url, retries=0) as client:
                while not stop.is_set():
                    try:
                        answer = client.triage(notes, [drawn_picture(1)])
                        ready = client.ready().status
                    except Exception as error:
                        wrong.append(repr(error))
                        return
                    found = answer.results[0]
                    name = answer.triage_model.partition(":")[0]
                    own = expected[name][str(found.arm)]
                    given = [one.probability for one in found.probabilities]
                    if not np.allclose(given, [*own.probabilities.values()], atol=1e-5) or ready != "ok":
                        wrong.append(f"{name} {found.arm}: of another model, or not ready")
                    seen.setdefault(answer.snapshot, set()).add(f"{name} {answer.verdict} {found.arm}")

        asker = threading.Thread(target=ask)
        asker.start()
        for name, verdict in (("t2", "confounded"), ("t1", "picture_helps"), ("t2", "picture_helps")):
            before = made.service.snapshot()
            judge(small, name, verdict)
            made.wait_for(lambda before=before: made.service.snapshot().id != before.id)  # type: ignore[misc]
        stop.set()
        asker.join(30)
        assert wrong == [] and seen and all(len(own) == 1 for own in seen.values())
        current = made.service.snapshot()
        add_triage(small, "t3", seed=3, judged=False)
        assert read_parts(small.lake, ENCODER).id == current.id


@pytest.mark.parametrize(
    ("name", "arm"), [("picture_helps", CONCATENATED), ("use_picture", PICTURE), ("confounded", NOTE)]
)
def test_the_arm_is_the_one_that_the_verdict_names(small: SmallLake, name: str, arm: str) -> None:
    add_triage(small, "t1", seed=1, verdict=name, single=PICTURE if arm == PICTURE else NOTE)
    triage = build_snapshot(small.lake, read_parts(small.lake, ENCODER), ENCODER).triage
    assert triage is not None and triage.arms[0] == arm and len({*triage.arms}) == 5


@pytest.mark.parametrize(
    ("part", "changed", "reason"),
    [
        (NOTE, {"fingerprint": "0" * 64}, "fitted with another encoder of the note"),
        (PICTURE, {"fingerprint": "0" * 64}, "fitted with another encoder of the picture"),
        (PICTURE, {"settings": {"base": "x/y", "allow_remote_code": True}}, "runs code of its own"),
        (NOTE, {"settings": {"base": "/nowhere/model"}}, "the service's own output says why"),
    ],
)
def test_a_model_of_other_encoders_is_not_asked(
    small: SmallLake, part: str, changed: dict[str, Any], reason: str
) -> None:
    encoders = tiny_encoders(small.folder / "encoders")
    add_triage(small, "t1", seed=1, encoders={**encoders, part: {**encoders[part], **changed}})
    found = read_parts(small.lake, ENCODER).triage
    assert found.version == "" and reason in found.reason and "/nowhere" not in found.reason
    assert ("/nowhere/model" in found.problem) == ("output" in reason)


def test_tuned_encoders_are_served_and_not_mistaken_for_those_that_they_began_as(small: SmallLake) -> None:
    notes, pixels = [new_note(1)], [read_picture(drawn_picture(1), LIMITS).pixels]
    adapters = drawn_adapters(tiny_encoders(small.folder / "encoders"), seed=0)
    answers = {}
    kept = []
    for name, own in (("t1", None), ("t2", adapters), ("t3", None)):
        folder = add_triage(small, name, seed=1, adapters=own)
        triage = build_snapshot(small.lake, read_parts(small.lake, ENCODER), ENCODER).triage
        assert triage is not None
        kept.append(triage)
        answers[name] = {
            one.arm: one.probabilities for one in triage.answer([Case(notes[0], pixels[0], {})])[0]
        }
        model = TriageModel.from_folder(folder, device="cpu")
        for arm, said in answers[name].items():
            own_answer = model.predict(notes, pixels, arm=arm)[0]
            assert list(said.values()) == pytest.approx([*own_answer.probabilities.values()], abs=1e-5)
    assert answers["t1"] == answers["t3"]
    for arm in (NOTE, PICTURE):
        assert list(answers["t2"][arm].values()) != pytest.approx(list(answers["t1"][arm].values()), abs=1e-3)


def test_without_the_models_all_else_is_answered_and_it_is_said_why(shared: Running) -> None:
    with ServingClient(shared.url, retries=3) as client:
        unanswered = client.model().unanswered
        assert unanswered.keys() == {"/classify", "/triage", "/image-text"} and client.model().triage is None
        with pytest.raises(ServiceRefusedError, match=unanswered["/triage"]) as triage:
            client.triage(["a"], [None])
        with pytest.raises(ServiceRefusedError, match=unanswered["/image-text"]) as image_text:
            client.image_text([b"a"])
    assert [(one.value.status, one.value.kind) for one in (triage, image_text)] == [
        (503, "no_triage_model"),
        (503, "no_image_text_model"),
    ]


def test_what_is_not_as_it_was_written_is_not_served(small: SmallLake) -> None:
    folder = add_triage(small, "t1", seed=1)
    parts = read_parts(small.lake, ENCODER)
    about = folder / "arms.json"
    written = about.read_text()
    about.write_text(written + " ")
    with pytest.raises(MedembedError, match=r"arms\.json: altered"):
        build_snapshot(small.lake, parts, ENCODER)
    about.write_text(written)
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "files": {}}))
    assert "no triage model" in read_parts(small.lake, ENCODER).triage.reason
    manifest.write_text("{")
    assert "no manifest of a triage model" in read_parts(small.lake, ENCODER).triage.problem


def test_the_projection_is_served_as_it_was_trained(
    small: SmallLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(4)
    projection = Projection(*(random.normal(size=shape) for shape in ((16,), (16, 5), (6,), (6, 5))))
    words = {text: random.normal(size=6) for text in ("a chest film with opacity", "clear lungs")}

    class Reader:
        def encode(self, texts: list[str]) -> np.ndarray:
            return np.array([words[text] for text in texts])

    monkeypatch.setattr("medembed_pipeline.serving.image_text.shared_encoder", lambda *_: Reader())
    add_image_text(small)
    base = tiny_encoders(small.folder / "encoders")[PICTURE]["settings"]["base"]
    spec = ImageEncoderSpec(base)
    table = small.lake.table("image_text_vectors")
    version = keep_projection(small.lake, projection, {})
    small.lake.write_table(
        Recipe(
            "image_text_vectors", "1", {"ImageTextSettings": {}, "ImageEncoderSettings": {"base": base}}, {}
        ),
        table.read(),
        facts={"image_encoder": image_encoder_fingerprint(spec), "kept_side": 64, "projection": version},
    )
    parts = read_parts(small.lake, ENCODER)
    model = build_snapshot(small.lake, parts, ENCODER).image_text
    assert model is not None and model.label == "not a medical model"
    pixels = read_picture(drawn_picture(1), LIMITS).pixels
    picture = projection.images(load_image_encoder(spec, device="cpu").encode([pixels]))[0]
    expected = [float(picture @ projection.texts([words[text]])[0]) for text in words]
    positive, negative = words
    assert model.similarities([pixels], [(positive, negative)])[0][0] == pytest.approx(expected, abs=1e-5)
    weights = Path(small.lake.path("image_text_models", version, "projection.npz"))
    np.savez(weights, **{**np.load(weights), "text_mean": np.zeros(6)})
    with pytest.raises(ServingError, match="is not what was written"):
        build_snapshot(small.lake, parts, ENCODER)
