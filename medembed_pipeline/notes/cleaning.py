"""The text of a note: characters repaired, spaces tidied, section heads readable, and the id that it gets."""

import hashlib
import re
import unicodedata
from collections.abc import Sequence

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE_BREAK = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
# White space, and with it the information separators (U+001C to U+001F); other controls go without trace.
_OTHER_SPACE = re.compile(r"[^\S\n ]")
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]"
)
_SPACES = re.compile(r"  +")
_MOST_MARKS = 30
# All combining marks are among these, and little else that comes in long runs.
_MARKS = re.compile(rf"[^\w\s\x00-\x7f]{{{_MOST_MARKS + 1},}}")
_BLANK_LINES = re.compile(r"\n{3,}")

# Files of dictated notes often carry each line break as a comma without a space after it ("SUBJECTIVE: ,She
# comes in.,MEDICATIONS:,None."). Such a comma is taken for what it was only where its neighbours leave little
# doubt. The patterns run on text whose runs of space are one space, and begin with a literal, for speed.
_HEAD = r"[A-Z][A-Z0-9 /&'()\-.]{1,60}:"
_MARKER = r"(?:(?:\d{1,2}|[A-Za-z])[.)] |\d{1,2}[.)][A-Z]|[*\u2022#\-] )"
_REPEATED_COMMA = re.compile(r",(?: ?,)+")
_COLON_COMMA_COLON = re.compile(r": ?, ?: ?")
_COMMA_COLON = re.compile(r", ?: ?")
_COLON_COMMA_LIST = re.compile(rf": ?, ?(?={_MARKER}|{_HEAD})")
_COLON_COMMA = re.compile(r": ?, ?")
_COMMA_AT_LINE_END = re.compile(r",(?=\n|\Z)")
_TIGHT_COMMA = re.compile(r",(?=[^\s,])")

_AFTER_SENTENCE_END = re.compile(r"[.?!][\"')\]]? ?\Z")
_AFTER_TITLE = re.compile(r"[A-Z]{3} ?\Z")
_LINE_START = re.compile(r"[A-Z0-9*\u2022#\"(\-_]|[a-z][.)] ")
_HEAD_START = re.compile(_HEAD)
_NUMBER_START = re.compile(r"\d{1,2}[.)][ \n]")
_WORD_START = re.compile(r"[A-Z][a-z]")
# Only in a text that shows, by one of these two signs, that its line breaks became commas.
_JOINED_SIGN = re.compile(r",(?:(?<=:,)|(?<=: ,)|(?:(?<=[.?!],)|(?<=[.?!] ,))(?=[A-Z0-9]))")
_AFTER_LOWER_START = re.compile(r"[A-Z*\u2022#]|\d{1,2}/\d{1,2}/\d|[a-h][.)] ")
_DATE_START = re.compile(r"\d{1,2}/\d{1,2}/\d")
_ITEM_START = re.compile(r"\d{1,2}[.)] [A-Z]")
# "C3,C4" and "HTN,DM" are lists, not lines: after a capital or a digit a short code begins no line.
_AFTER_CAPITAL_START = re.compile(r"[A-Z](?!(?<=[A-Z])[A-Z0-9/\-]{0,4}(?:[,.;) \n]|\Z))")

# Each pass undoes at most one layer of damage; real texts settle in two, the rest is a guard against a cycle.
_PASSES = 12


def clean_text(text: str) -> str:
    """Repair and tidy the text of one note.

    In this order, until nothing changes any more, so that cleaning a cleaned text returns it unchanged:

    1. Mojibake is repaired by ftfy, lone surrogates become U+FFFD, and the result is in Unicode NFC. Curly
       quotes and Latin ligatures (which word processors put in) become plain letters; HTML entities,
       full-width letters and clinical signs (degree, micro, plus-minus, fractions, superscripts) stay as they
       are.
    2. Line ends become ``\\n``; control characters, soft hyphens, zero-width spaces and direction marks go;
       runs of space become one; at most one blank line separates paragraphs.
    3. The comma that stands for a line break in joined notes goes: ``SUBJECTIVE:,  This`` becomes
       ``SUBJECTIVE: This``, and a head or a numbered item that follows such a comma begins a new line. A
       comma between two digits, two lower-case words or two short codes is left alone.

    Any ``str`` is accepted; the result can be empty. References: https://ftfy.readthedocs.io/ and
    Unicode Standard Annex 15.
    """
    text = _until_settled(text, joined=None)
    joined = "\n" not in text and _JOINED_SIGN.search(text) is not None
    return _until_settled(text, joined=joined)


def normalized_text(text: str) -> str:
    """The text by which two notes count as the same: case-folded, every run of white space one space."""
    return _normalized(text.split())


def note_id(text: str) -> str:
    """The id of a note: 32 hexadecimal digits of the SHA-256 of its normalised text.

    Of a note it is taken of the cleaned text before identifiers are masked, so that masking changes no id.
    """
    return note_id_of_words(text.split())


def note_id_of_words(words: Sequence[str]) -> str:
    """The id of a note of which the words between white space are known."""
    return hashlib.sha256(_normalized(words).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _normalized(words: Sequence[str]) -> str:
    # No character becomes white space, or stops being it, when its case is folded.
    return " ".join(words).casefold()


def _until_settled(text: str, *, joined: bool | None) -> str:
    for _ in range(_PASSES):
        before = text
        # What is ASCII needs no repair, and to tidy twice changes nothing: by `joined` the text is known to be tidy.
        if joined is None or not text.isascii():
            text = _tidy_spaces(_repair_characters(text))
        if joined is not None:
            opened = _open_joined_lines(text, joined=joined)
            text = text if opened == text else _tidy_spaces(opened)
        if text == before or (joined is None and text.isascii()):
            break
    return text


def _repair_characters(text: str) -> str:
    if text.isascii():
        return text
    from ftfy import TextFixerConfig, fix_text

    text = whole_characters(text)
    config = TextFixerConfig(
        unescape_html=False,
        remove_terminal_escapes=False,
        fix_character_width=False,
        fix_latin_ligatures=True,
        uncurl_quotes=True,
        fix_line_breaks=True,
        remove_control_chars=False,
        normalization=None,
        explain=False,
    )
    return unicodedata.normalize("NFC", _with_few_marks(fix_text(text, config)))


def whole_characters(text: str) -> str:
    """The text with U+FFFD for every half of a character (a lone surrogate), which no encoder reads."""
    if _LONE_SURROGATE.search(text):
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _with_few_marks(text: str) -> str:
    """Of many combining marks in a row the first ones: to put n of them in order takes n squared steps.

    No language writes more (Unicode Standard Annex 15, Stream-Safe Text Format).
    """
    return _MARKS.sub(lambda run: _first_marks(run[0]), text)


def _first_marks(run: str) -> str:
    kept, marks = [], 0
    for character in run:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= _MOST_MARKS:
            kept.append(character)
    return "".join(kept)


def _tidy_spaces(text: str) -> str:
    if not text.replace("\n", "").isprintable():
        text = _LINE_BREAK.sub("\n", text)
        text = _INVISIBLE.sub("", _OTHER_SPACE.sub(" ", text))
    # Searching for a string is many times as fast as a pattern, and most texts have none of these.
    if "  " in text:
        text = _SPACES.sub(" ", text)
    if "\n" in text:
        text = text.replace(" \n", "\n").replace("\n ", "\n")
        if "\n\n\n" in text:
            text = _BLANK_LINES.sub("\n\n", text)
    return text.strip()


def _open_joined_lines(text: str, *, joined: bool) -> str:
    text = _REPEATED_COMMA.sub(",", text)
    text = _COLON_COMMA_COLON.sub(": ", text)
    text = _COMMA_COLON.sub(": ", text)
    text = _COLON_COMMA_LIST.sub(":\n", text)
    text = _COLON_COMMA.sub(": ", text)
    text = _TIGHT_COMMA.sub(
        lambda comma: "\n" if _stands_for_break(text, comma.start(), joined=joined) else ",", text
    )
    return _COMMA_AT_LINE_END.sub(
        lambda comma: (
            "" if text[max(0, comma.start() - 2) : comma.start()].rstrip()[-1:] in set(".?!:") else ","
        ),
        text,
    )


def _stands_for_break(text: str, position: int, *, joined: bool) -> bool:
    """Whether the comma at ``position``, which no space follows, stands for a line break."""
    before = text[max(0, position - 4) : position]
    after = position + 1
    if _AFTER_SENTENCE_END.search(before) and _LINE_START.match(text, after):
        return True
    if _HEAD_START.match(text, after):
        return True
    if not before[-1:].isdigit() and _NUMBER_START.match(text, after):
        return True
    if _AFTER_TITLE.search(before) and _WORD_START.match(text, after):
        return True
    if not joined:
        return False
    last = before[-1:]
    if last == " ":
        return _LINE_START.match(text, after) is not None
    if "a" <= last <= "z" or last in set(')"%*'):
        return _AFTER_LOWER_START.match(text, after) is not None
    if last.isdigit():
        return (_ITEM_START.match(text, after) or _AFTER_CAPITAL_START.match(text, after)) is not None
    if "A" <= last <= "Z":
        return (_DATE_START.match(text, after) or _AFTER_CAPITAL_START.match(text, after)) is not None
    return False
