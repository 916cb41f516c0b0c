"""The page in a real browser: paste, search, labels, map, filters, keyboard, a phone, dark, a hostile note."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from medembed_pipeline.serving.keys import Key, Keyring, hash_of
from medembed_pipeline_tests.report.conftest import chromium
from medembed_pipeline_tests.report.opened_page import Opened, needs_chromium
from medembed_pipeline_tests.serving.conftest import Running, running
from medembed_pipeline_tests.serving.small_lake import (
    Guess,
    SmallLake,
    add_triage,
    drawn_picture,
    make_lake,
    new_note,
)

pytestmark = needs_chromium
__all__ = ["chromium"]

EVIL = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'> chest pain and fever"
SECRET = "seen for zqpagesecretzq with fever and chest pain"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> SmallLake:
    """With a hostile note, and a hostile value in a column."""
    small = make_lake(tmp_path_factory.mktemp("page"))
    small.texts.append(EVIL)
    small.specialties.append(["<b>Evil</b>"])
    small.write_notes()
    small.embed(small.add_checkpoint("cccc", seed=1))
    small.release("cccc")
    add_triage(small, "t1", seed=1, verdict="confounded")
    return small


@pytest.fixture(scope="module")
def served(lake: SmallLake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("medembed_pipeline.serving.snapshot.load_classifier", lambda *_: Guess())
        with running(lake, tmp_path_factory.mktemp("page-service")) as made:
            yield made


Open = Callable[..., Opened]


@pytest.fixture
def opened(chromium: Any, served: Running) -> Iterator[Open]:
    pages: list[Opened] = []

    def go(address: str = "", url: str = "", **options: Any) -> Opened:
        one = Opened(chromium, **options)
        pages.append(one)
        one.page.goto(f"{url or served.url}/{address}")
        one.page.wait_for_selector("html[data-ready]")
        return one

    yield go
    for one in pages:
        one.context.close()


def search(one: Opened, text: str) -> None:
    one.page.fill("#note-text", text)
    one.page.click("#question button.first")
    one.page.wait_for_selector("#near li")
    one.wait("document.getElementById('answered').textContent !== ''")


def names(one: Opened) -> list[str]:
    found: list[str] = one.ask(
        "[...document.querySelectorAll('#near .name')].map((name) => name.textContent)"
    )
    return found


def test_a_pasted_note_shows_its_nearest_its_labels_and_its_place(opened: Open, served: Running) -> None:
    one = opened()
    search(one, "heart valve seen, chest pain and pressure")
    expected = served.http.post(
        "/search", json={"texts": ["heart valve seen, chest pain and pressure"]}
    ).json()["results"][0]["hits"]
    assert names(one) == [", ".join(hit["labels"]) for hit in expected]
    shown = one.ask("[...document.querySelectorAll('#near .similarity')].map((one) => one.textContent)")
    assert shown == [f"{hit['similarity']:.3f}" for hit in expected]
    labels = one.page.inner_text("#labels")
    assert "Cardiology" in one.page.inner_text("#labels strong") and "71%" in labels
    assert "2 labels of its set, which lacks at most 10%" in labels
    assert one.ask("document.querySelectorAll('#labels .in-set').length") == 2
    assert "your note" in one.page.inner_text("#legend")
    assert "mean of its nearest notes' places" in one.page.inner_text("#map-said")
    assert "61 notes" in one.page.inner_text("#subject")
    snapshot = served.service.snapshot().id
    assert snapshot in one.page.inner_text("#answered") and snapshot in one.page.inner_text("#subject")
    drawn = """() => { const canvas = document.getElementById('canvas');
      const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
      return data.filter((value, at) => at % 4 === 3 && value).length; }"""
    assert one.ask(drawn) > 500
    assert one.is_clean()


def test_an_abstention_says_why(opened: Open) -> None:
    one = opened()
    search(one, "knee fracture")
    assert one.page.inner_text("#labels .abstains") == "A person should look: it is far from all train notes."


def test_a_hostile_note_does_nothing(opened: Open) -> None:
    one = opened()
    search(one, EVIL)
    assert names(one)[0] == "<b>Evil</b>" and "this very note" in one.page.inner_text("#near li")
    one.page.click("#near li >> nth=0 >> summary")
    assert one.page.inner_text("#near li >> nth=0 >> .text") == EVIL
    assert one.page.query_selector("#results script, #results img, #results b") is None
    assert one.ask("window.hacked") is None and one.is_clean()


def test_filters_stand_in_the_address_and_the_text_never_does(opened: Open, served: Running) -> None:
    one = opened()
    search(one, SECRET)
    one.page.click("#filters-box > summary")
    one.page.select_option("#filters label:has-text('label') select", "Cardiology")
    one.wait(
        "[...document.querySelectorAll('#near .name')].every((one) => one.textContent.includes('Cardiology'))"
    )
    one.page.select_option("#filters label:has-text('site') select", "North")
    one.page.fill("#filters fieldset:has-text('age') input >> nth=0", "30")
    one.page.keyboard.press("Tab")
    one.wait(
        "document.querySelectorAll('#near li').length > 0 && [...document.querySelectorAll('#near .what')]"
        ".every((one) => one.textContent.includes('site North'))"
    )
    address = one.page.url.partition("#")[2]
    assert "label=Cardiology" in address and "is.site=North" in address and "from.age=30" in address
    assert "zqpagesecretzq" not in one.page.url
    assert not [url for url in one.requests if "zqpagesecretzq" in url]
    assert {url.split("/")[2] for url in one.requests} == {served.url.split("/")[2]}
    other = opened(f"#{address}")
    assert ": Cardiology, site North, age 30 to …" in other.page.inner_text("#filters-box > summary")
    search(other, SECRET)
    assert names(other) == names(one)
    other.page.click("#filters button:has-text('No filters')")
    other.wait("document.querySelectorAll('#near li').length === 10")
    assert "#" not in other.page.url and other.is_clean() and one.is_clean()


def test_a_stored_note_is_looked_from_and_stands_in_the_address(opened: Open, lake: SmallLake) -> None:
    one = opened()
    search(one, new_note(3))
    first = one.page.inner_text("#near li >> nth=0 >> .id")
    one.page.click("#near li >> nth=0 >> summary")
    one.page.click("#near li >> nth=0 >> .from-here")
    one.wait("location.hash.includes('note=')")
    one.wait("document.querySelector('#legend').textContent.includes('this note')")
    assert one.page.url.endswith(f"#note={first}") and first in one.page.inner_text("#from")
    shown = [item.inner_text() for item in one.page.query_selector_all("#near .id")]
    assert first not in shown and len(shown) == 10
    again = opened(f"#note={first}")
    again.page.wait_for_selector("#near li")
    assert [item.inner_text() for item in again.page.query_selector_all("#near .id")] == shown
    assert again.page.is_hidden("#labels")
    one.page.go_back()
    one.wait("document.getElementById('from').hidden")
    assert one.is_clean() and again.is_clean()


def test_a_click_on_the_map_looks_from_there(opened: Open, served: Running) -> None:
    one = opened()
    search(one, new_note(4))
    at, x, y = one.ask(
        """() => { const canvas = document.getElementById('canvas'); canvas.scrollIntoView({block: 'center'});
        const box = canvas.getBoundingClientRect(); const places = medembedPage.map.places();
        const at = places.findIndex(([x, y]) => places.filter(([a, b]) => Math.hypot(a - x, b - y) < 3).length === 1);
        return [at, places[at][0] + box.left, places[at][1] + box.top]; }"""
    )
    one.page.mouse.move(x, y)
    note = served.service.snapshot().note_ids[at]
    assert note in one.page.inner_text("#tip")
    one.page.mouse.click(x, y)
    one.wait("location.hash.includes('note=')")
    assert one.page.url.endswith(f"#note={note}") and note in one.page.inner_text("#from code")
    assert one.is_clean()


def test_the_keyboard_does_everything(opened: Open) -> None:
    one = opened()
    one.page.keyboard.press("Tab")
    assert one.ask("document.activeElement.textContent") == "Skip to the note"
    one.page.keyboard.press("Enter")
    one.page.keyboard.press("Tab")
    assert one.ask("document.activeElement.id") == "note-text"
    one.page.keyboard.type("heart valve")
    one.page.keyboard.press("Control+Enter")
    one.page.wait_for_selector("#near li")
    for _ in range(12):
        one.page.keyboard.press("Tab")
        if one.ask("document.activeElement.closest('#near')?.id") == "near":
            break
    one.page.keyboard.press("Enter")
    assert one.ask("document.querySelector('#near details').open")
    one.page.keyboard.press("Tab")
    one.page.keyboard.press("Enter")
    one.wait("location.hash.includes('note=')")
    one.wait("document.activeElement.textContent === 'Nearest notes'")
    assert one.is_clean()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_runs_over_the_edge_of_a_phone(opened: Open, scheme: str) -> None:
    one = opened("#label=Cardiology", viewport={"width": 360, "height": 740}, color_scheme=scheme)
    search(one, "heart valve " * 30)
    one.page.click("#near li >> nth=0 >> summary")
    wide = """[...document.querySelectorAll('body *')].filter((one) => {
      const box = one.getBoundingClientRect();
      return box.width && box.right > 361 && !one.closest('.unseen, .skip, svg');
    }).map((one) => `${one.tagName}.${one.className}`)"""
    assert one.ask(wide) == [] and one.ask("document.documentElement.scrollWidth") <= 360
    ground = one.ask("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground))) < 200) == (scheme == "dark")
    assert one.is_clean()
    one.page.goto(one.page.url.partition("#")[0] + "docs")
    assert one.ask("document.documentElement.scrollWidth") <= 360


def test_a_key_is_asked_for_and_kept_in_the_tab_alone(
    opened: Open, lake: SmallLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medembed_pipeline.serving.snapshot.load_classifier", lambda *_: None)
    keyring = Keyring((Key("reader", "text", hash_of("k1")), Key("clerk", "ids", hash_of("k2"))))
    with running(lake, tmp_path, keyring=keyring) as made:
        one = opened(url=made.url)
        assert one.page.is_visible("#unlock") and "A key is needed" in one.page.inner_text("#subject")
        one.page.fill("#key", "wrong")
        one.page.click("#unlock button")
        one.wait("document.getElementById('unlock-said').textContent.startsWith('That is no key')")
        one.page.fill("#key", "k1")
        one.page.click("#unlock button")
        one.wait("document.getElementById('unlock').hidden")
        search(one, "heart valve")
        assert "no classifier" in one.page.inner_text("#labels") and "k1" not in one.page.url
        assert one.ask("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
        clerk = opened(url=made.url)
        clerk.page.fill("#key", "k2")
        clerk.page.click("#unlock button")
        clerk.wait("document.getElementById('unlock').hidden")
        search(clerk, "heart valve")
        assert all(re.fullmatch(r"[0-9a-f]{32}", name) for name in names(clerk))
        assert (
            clerk.page.is_hidden("#map")
            and clerk.ask("document.querySelectorAll('#filters select').length") == 0
        )


def test_an_empty_note_and_a_refusal_are_said(opened: Open) -> None:
    one = opened()
    one.page.click("#question button.first")
    assert one.page.inner_text("#problem") == "Paste a note or choose a picture first."
    one.page.fill("#note-text", "a" * 200_001)
    one.page.click("#question button.first")
    one.wait("document.getElementById('problem').textContent.includes('200000')")
    search(one, "heart valve")
    assert one.page.is_hidden("#problem")
    one.page.click("#empty")
    assert one.page.is_hidden("#results") and one.ask("document.activeElement.id") == "note-text"


def choose(one: Opened, data: bytes, name: str = "zqpagesecretzq.png") -> None:
    one.page.set_input_files("#picture", {"name": name, "mimeType": "image/png", "buffer": data})
    one.wait("!document.getElementById('picture-away').hidden")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_chosen_picture_shows_its_triage_and_stays_out_of_the_address(
    opened: Open, served: Running, scheme: str
) -> None:
    one = opened(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    choose(one, drawn_picture(1))
    assert one.page.get_attribute("#preview", "src").startswith("data:image/png;base64,")
    one.page.fill("#note-text", SECRET)
    one.page.click("#case-box > summary")
    one.page.fill("#case-columns input[name=age]", "71")
    one.page.select_option("#case-columns select[name=sex]", "F")
    one.page.keyboard.press("Tab")
    one.page.focus("#note-text")
    one.page.keyboard.press("Control+Enter")
    one.page.wait_for_selector("#triage tbody tr")
    body = {
        "note": SECRET,
        "picture": base64.b64encode(drawn_picture(1)).decode(),
        "metadata": {"age": "71", "sex": "F"},
    }
    expected = served.http.post("/triage", json={"cases": [body]}).json()["results"][0]
    rows = one.ask(
        "[...document.querySelectorAll('#triage tbody tr')]"
        ".map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    assert [row[1:] for row in rows] == [
        [f"{100 * said['probability']:.0f}%" for said in arm["probabilities"]] for arm in expected["arms"]
    ]
    assert rows[0][0] == "the note" and len(rows) == 5 and expected["arm"] == "note"
    told = one.page.inner_text("#triage")
    assert (
        told.startswith(f"Triage\n\n{expected['level']}, by the note.") and "It is said: confounded." in told
    )
    assert "No decision about a patient may rest on this." in told and names(one)
    assert one.ask("document.documentElement.scrollWidth") <= 360
    assert one.ask(
        "document.querySelector('#triage table').scrollWidth <= document.querySelector('#triage').clientWidth"
    )
    # For other filters the picture is not sent again; without note or picture each answers alone.
    asked = len([url for url in one.requests if url.endswith("/triage")])
    one.page.click("#filters-box > summary")
    one.page.select_option("#filters label:has-text('label') select", "Cardiology")
    one.wait("location.hash.includes('Cardiology')")
    one.page.wait_for_timeout(300)
    assert asked == len([url for url in one.requests if url.endswith("/triage")]) == 1
    one.page.fill("#note-text", "")
    one.page.click("#question button.first")
    one.wait("document.getElementById('results').hidden")
    assert one.page.is_visible("#triage") and "by the picture" in one.page.inner_text("#triage")
    assert not [url for url in [*one.requests, one.page.url] if "zqpagesecretzq" in url]
    choose(one, EVIL.encode())
    one.page.click("#question button.first")
    one.wait("document.querySelector('#triage .abstains').textContent.includes('not that of a picture')")
    one.page.click("#picture-away")
    one.page.fill("#note-text", SECRET)
    one.page.click("#question button.first")
    one.wait("document.getElementById('triage').hidden")
    assert one.ask("window.hacked") is None and one.ask("window.violations") == []
    assert [error for error in one.errors if "422" not in error] == []
