import hashlib
import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from medembed_pipeline.notes import cleaning
from medembed_pipeline.notes.cleaning import clean_text, normalized_text, note_id

MTSAMPLES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "mtsamples.csv"

# Pieces out of which the joined form of dictated notes is made, in every order that hypothesis likes.
PIECES = st.sampled_from(
    [
        *(",", ", ", " ,", ",,", ":", ": ", ":,", ".,", ". ", "\n", "\n\n", " ", "1. ", "2.  ", "a. "),
        *("12/3/04", "5,000", "SUBJECTIVE:", "HEENT", "PLAN:,", "The", "patient", "She", "C3", "HTN"),
        *("\u2019", "\u00c2\u00b0", "\u00e2\u20ac\u2122", "\ud800", "\x00", "\x1f", "\u200b", "\u00ad"),
        *("\u00b5g", "e\u0301", "\u0301", "\r\n", '"', ")", "*", "-", "?"),
    ]
)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (
            "SUBJECTIVE:,  This 23-year-old comes in.,MEDICATIONS: , Her only one is Zyrtec.",
            "SUBJECTIVE: This 23-year-old comes in.\nMEDICATIONS: Her only one is Zyrtec.",
        ),
        (
            "PROCEDURES: ,1.  Cystoscopy.,2.  Bladder biopsy.,ANESTHESIA:  ,General.",
            "PROCEDURES:\n1. Cystoscopy.\n2. Bladder biopsy.\nANESTHESIA: General.",
        ),
        ("PHYSICAL EXAMINATION:,HEENT: , Normal.", "PHYSICAL EXAMINATION:\nHEENT: Normal."),
        ("SPECIMENS,:  None.,PLAN:,: Rest.", "SPECIMENS: None.\nPLAN: Rest."),
        ("SCLERAL BUCKLE OPENING,The patient slept.", "SCLERAL BUCKLE OPENING\nThe patient slept."),
        ("IMPRESSION,1.  No edema.,2.  Clear lungs.", "IMPRESSION\n1. No edema.\n2. Clear lungs."),
        (
            "HISTORY: ,Family history,Patient's score is 10.",
            "HISTORY: Family history\nPatient's score is 10.",
        ),
        ("PLAN:,\nRest.", "PLAN:\nRest."),
    ],
)
def test_joined_sections_become_lines(raw: str, expected: str) -> None:
    assert clean_text(raw) == expected


@pytest.mark.parametrize(
    "text",
    [
        "WBC 12,500 and platelets 250,000.",
        "Blood pressure 120/80, pulse 72, afebrile.",
        "C3,C4 and C5 were fused in HTN,DM patients.",
        "The wound was closed,then dressed.",
        "She takes Aspirin,Lasix and Coumadin.",
        "PLAN: Rest.\nShe takes Aspirin,Lasix and Coumadin.",
        'He said "old age," and left.',
        "First paragraph.\n\nSecond one, with a comma.",
        "Temp 37.5\u00b0C, 5 \u00b5g, \u00b13, \u2265 5, \u00bd tablet, x\u00b2, M\u00e9ni\u00e8re",
        "\u03b1-blocker &amp; more",
    ],
)
def test_what_is_right_is_left_alone(text: str) -> None:
    assert clean_text(text) == text


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("37\u00c2\u00b0C and M\u00c3\u00a9ni\u00c3\u00a8re", "37\u00b0C and M\u00e9ni\u00e8re"),
        ("Patient\u2019s \u201cown\u201d words", 'Patient\'s "own" words'),
        ("Me\u0301nie\u0300re", "M\u00e9ni\u00e8re"),
        ("a\x00b\x07c\td\x1fe\u00a0f", "abc d e f"),
        ("zero\u200bwidth so\u00adft \ufeffmark", "zerowidth soft mark"),
        ("one\r\ntwo\rthree\x0cfour\u2028five", "one\ntwo\nthree\nfour\nfive"),
        ("one  \n\n\n\n   two   three ", "one\n\ntwo three"),
        ("lone \ud800 pair \ud83d\ude00", "lone \ufffd pair \U0001f600"),
        ("", ""),
        (" \n\t\x00 ", ""),
    ],
)
def test_characters_and_spaces(raw: str, expected: str) -> None:
    assert clean_text(raw) == expected


TEXTS = st.one_of(st.text(st.characters(), max_size=80), st.lists(PIECES, max_size=30).map("".join))


@settings(max_examples=300, deadline=None)
@given(TEXTS)
@example("HEAD:,,1. x,,2. Y ,Z.,")
@example("PLAN:,:\u200b\n, ")
def test_cleaning_twice_changes_nothing_and_leaves_no_control_or_run(text: str) -> None:
    once = clean_text(text)
    assert clean_text(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert once == once.strip()
    assert "  " not in once and "\n\n\n" not in once and " \n" not in once and "\n " not in once
    assert not any(
        unicodedata.category(character) in ("Cc", "Cs") and character != "\n" for character in once
    )


def plain_clean_text(text: str) -> str:
    """Every step again and again until none of them changes anything, whatever the text."""

    def tidy(text: str) -> str:
        text = re.sub("\r\n|[\r\x0b\x0c\x85\u2028\u2029]", "\n", text)
        text = cleaning._INVISIBLE.sub("", re.sub(r"[^\S\n ]", " ", text))
        text = re.sub(" +", " ", text).replace(" \n", "\n").replace("\n ", "\n")
        return re.sub("\n{3,}", "\n\n", text).strip()

    def settled(text: str, steps: Sequence[Callable[[str], str]]) -> str:
        for _ in range(cleaning._PASSES):
            before = text
            for step in steps:
                text = tidy(step(text))
            if text == before:
                break
        return text

    text = settled(text, [cleaning._repair_characters])
    joined = "\n" not in text and re.search("[.?!] ?,[A-Z0-9]|: ?,", text) is not None
    opened = partial(cleaning._open_joined_lines, joined=joined)
    return settled(text, [cleaning._repair_characters, opened])


@settings(max_examples=500, deadline=None)
@given(st.one_of(TEXTS, TEXTS.map(lambda text: "".join(filter(str.isascii, text)))))
def test_no_step_is_left_out_that_would_change_anything(text: str) -> None:
    assert clean_text(text) == plain_clean_text(text)


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_the_normalised_text_is_folded_before_or_after_it_is_cut(text: str) -> None:
    assert normalized_text(text) == " ".join(text.casefold().split())


@pytest.mark.parametrize(
    "piece",
    [
        ",",
        ", ",
        ": ,",
        "A",
        "A,",
        " ",
        "\n ",
        ".,",
        "9,",
        "HEAD:,",
        "\u00c2",
        "\u00e2\u20ac",
        "\u0315\u0300\u0327",
        "\u00cc\u0080",
    ],
)
def test_time_grows_with_the_length_only(piece: str) -> None:
    # 200,000 characters each: quadratic behaviour would take minutes.
    assert isinstance(clean_text(piece * (200_000 // len(piece))), str)


def test_the_id_ignores_case_and_spaces_and_nothing_else() -> None:
    assert note_id("No  chest\npain.") == note_id("NO chest pain. ")
    assert note_id("No chest pain.") != note_id("No chest pain")
    assert note_id("no chest pain.") == hashlib.sha256(b"no chest pain.").hexdigest()[:32]
    assert normalized_text("  A \n B ") == "a b"
    assert len(note_id("\ud800")) == 32


@pytest.mark.skipif(not MTSAMPLES.exists(), reason="the real notes are not on this machine")
def test_real_notes_come_out_in_sections() -> None:
    import pandas as pd

    texts = pd.read_csv(MTSAMPLES)["transcription"].dropna().drop_duplicates().tolist()[:400]
    cleaned = [clean_text(text) for text in texts]
    assert [clean_text(text) for text in cleaned] == cleaned
    assert not any(":," in text or ": ," in text for text in cleaned)
    # Only commas go: every other character that is not white space is still there, in order.
    for raw, clean in zip(texts, cleaned, strict=True):
        if raw.isascii():
            assert "".join(clean.split()).replace(",", "").replace(":", "") == (
                "".join(raw.split()).replace(",", "").replace(":", "")
            )
    assert sum(text.count("\n") for text in cleaned) / len(cleaned) > 5
