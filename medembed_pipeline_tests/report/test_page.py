"""The page as a file: one document, whose data cannot end the element that it stands in."""

import base64
import gzip
import hashlib
import json
import re
from typing import Any

import pytest

from medembed_pipeline.pictures.drawing import page_library
from medembed_pipeline.report.errors import ReportError
from medembed_pipeline.report.page import SCRIPTS, page_parts, render_page, render_texts_file
from medembed_pipeline.report.page_revision import PAGE_FOLDER
from medembed_pipeline_tests.report.synthetic import HOSTILE, synthetic_payload, synthetic_texts

NOTES = 20


def unpacked(text: str) -> Any:
    return json.loads(gzip.decompress(base64.b64decode(text)))


def data_of(page: str, name: str) -> str:
    found = re.search(rf'<script type="application/octet-stream" id="{name}"[^>]*>([^<]*)</script>', page)
    assert found is not None
    return found.group(1)


@pytest.fixture(scope="module")
def payload() -> dict[str, Any]:
    return synthetic_payload(NOTES, 3, tables=False, methods=("pca",))


def test_payload_and_texts_come_back_as_they_were(payload: dict[str, Any]) -> None:
    texts = synthetic_texts(NOTES)
    page = render_page(payload, texts).decode("utf-8")
    shown = unpacked(data_of(page, "payload"))
    assert {name: shown[name] for name in payload} == payload
    assert shown.keys() - payload.keys() == {"figures", "look"}
    assert unpacked(data_of(page, "texts")) == texts
    assert texts[0].startswith(HOSTILE)


def test_nothing_of_a_note_and_no_placeholder_stands_in_the_markup(payload: dict[str, Any]) -> None:
    page = render_page(payload, synthetic_texts(NOTES)).decode("utf-8")
    assert page_library() in page
    page = page.replace(page_library(), "")
    assert "zebra" not in page and "onerror" not in page
    assert not re.search(r"@@[A-Z_]+@@", page)
    assert page.lower().count("<script") == page.lower().count("</script>") == 3


def test_a_title_is_text() -> None:
    payload = {
        **synthetic_payload(NOTES, 3, tables=False, methods=("pca",)),
        "title": "</title><script>x</script>@@SCRIPT@@",
    }
    page = render_page(payload, None).decode("utf-8")
    assert page.lower().count("<script") == 3
    assert "&lt;/title&gt;&lt;script&gt;x&lt;/script&gt;@@SCRIPT@@" in page


def test_the_policy_names_the_very_script_and_style_and_allows_nothing_else(payload: dict[str, Any]) -> None:
    page = render_page(payload, None).decode("utf-8")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert policy and script and style
    rules = dict(rule.strip().split(" ", 1) for rule in policy.group(1).split(";"))
    for text, rule in ((script.group(1), "script-src"), (style.group(1), "style-src")):
        hashed = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
        assert rules[rule] == f"'sha256-{hashed}'"
    assert rules["default-src"] == "'none'" and "connect-src" not in rules


def test_texts_beside_the_page_are_one_call_with_the_texts(payload: dict[str, Any]) -> None:
    texts = synthetic_texts(NOTES)
    script = render_texts_file(texts).decode("ascii")
    found = re.fullmatch(r'medembedTexts\("([A-Za-z0-9+/=]*)"\);\n', script)
    assert found is not None and unpacked(found.group(1)) == texts
    page = render_page(payload, None, texts_file="report_texts_1.js").decode("utf-8")
    assert data_of(page, "texts") == "" and 'data-file="report_texts_1.js"' in page


def test_the_same_data_give_the_same_bytes(payload: dict[str, Any]) -> None:
    texts = synthetic_texts(NOTES)
    assert render_page(payload, texts) == render_page(json.loads(json.dumps(payload)), list(texts))
    assert render_page(payload, texts) != render_page(payload, [*texts[:-1], "another"])


@pytest.mark.parametrize(
    ("texts", "texts_file", "named"),
    [
        (["one"], None, "1 texts for 20 notes"),
        ([""] * NOTES, "texts.js", "texts both in the page and in 'texts.js'"),
        (None, "../texts.js", "'../texts.js'"),
        (None, 'a" onload="x.js', "plain file name"),
        (None, "http://evil/texts.js", "plain file name"),
    ],
)
def test_what_does_not_fit_is_named(
    payload: dict[str, Any], texts: list[str] | None, texts_file: str | None, named: str
) -> None:
    with pytest.raises(ReportError, match=re.escape(named)):
        render_page(payload, texts, texts_file=texts_file)


def test_numbers_that_json_does_not_know_are_refused(payload: dict[str, Any]) -> None:
    with pytest.raises(ReportError, match="finite numbers"):
        render_page({**payload, "facts": {"x": {"y": float("nan")}}}, None)


def test_a_lone_surrogate_does_not_stop_the_page(payload: dict[str, Any]) -> None:
    page = render_page(payload, ["\ud800 broken", *[""] * (NOTES - 1)]).decode("utf-8")
    assert unpacked(data_of(page, "texts"))[0].endswith(" broken")


def test_scripts_and_styles_ask_nothing_of_anybody() -> None:
    template, style, script = page_parts()
    assert {path.name for path in PAGE_FOLDER.glob("*.js")} == set(SCRIPTS)
    for part in (template, style, script):
        addresses = set(re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}[^\s\"']*", part))
        assert addresses <= {"http://www.w3.org/2000/svg"}
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|fetch\(", script
    )


def luminance(color: str) -> float:
    values = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark", "dark by the system"])
def test_words_stand_out_from_the_page_in_both_themes(theme: str) -> None:
    _, style, _ = page_parts()
    start = {
        "light": ":root {",
        "dark": ':root[data-theme="dark"] {',
        "dark by the system": ':root:not([data-theme="light"]) {',
    }
    block = style[style.index(start[theme]) :]
    colors = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block[: block.index("}")]))
    for text in ("text", "muted", "link", "baseline-text", "tuned-text", "worse-text", "good"):
        for ground in ("surface", "ground", "raised"):
            assert contrast(colors[text], colors[ground]) >= 4.5, (text, ground)
        assert contrast(colors[text], colors["soft"]) >= 4.5, (text, "soft")
    for shape in ("baseline", "tuned", "worse"):
        assert contrast(colors[shape], colors["surface"]) >= 3, shape
    assert contrast(colors["mark-text"], colors["mark"]) >= 4.5
