import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medembed_pipeline.notes.identifier_signs import likely_families, loosened
from medembed_pipeline.notes.identifiers import (
    IDENTIFIER_KINDS,
    count_identifiers,
    find_identifiers,
    find_in_texts,
    mask_identifiers,
    mask_texts,
)
from medembed_pipeline.samples.corpus import sample_rows

FOUND = [
    ("ssn", "SSN 123-45-6789.", "SSN [SSN]."),
    ("ssn", "social security number: 123456789", "social security number: [SSN]"),
    ("ssn", "ends in xxx-xx-6789", "ends in [SSN]"),
    ("phone", "Call (713) 263-0829 today", "Call [PHONE] today"),
    ("phone", "713-263-0829 ext. 12", "[PHONE]"),
    ("phone", "713.263.0829", "[PHONE]"),
    ("phone", "+44 20 7946 0958", "[PHONE]"),
    ("phone", "pager 555-1234", "pager [PHONE]"),
    ("phone", "Phone: 7132630829", "Phone: [PHONE]"),
    ("fax", "fax number is 831-5926", "fax number is [FAX]"),
    ("fax", "Fax: (713) 263-0829", "Fax: [FAX]"),
    ("email", "write to j.doe+x@mail.example.org.", "write to [EMAIL]."),
    ("date", "seen on 05/16/2003.", "seen on [DATE]."),
    ("date", "seen 5/6/03,", "seen [DATE],"),
    ("date", "on 16/05/2003", "on [DATE]"),
    ("date", "on 2003-05-16T10:00", "on [DATE]T10:00"),
    ("date", "16.05.2003", "[DATE]"),
    ("date", "05-16-03", "[DATE]"),
    ("date", "in 09/2007", "in [DATE]"),
    ("date", "seen on 10/24 again", "seen on [DATE] again"),
    ("date", "April 22, 2007, she", "[DATE], she"),
    ("date", "on January 3rd", "on [DATE]"),
    ("date", "the 4th of July 1999", "the [DATE]"),
    ("date", "12 Sep 2001", "[DATE]"),
    ("date", "since december 2007", "since [DATE]"),
    ("date", "in MARCH of 2008", "in [DATE]"),
    ("medical_record_number", "MRN: 00123456", "MRN: [RECORD NUMBER]"),
    ("medical_record_number", "Medical Record #: AB-1234", "Medical Record #: [RECORD NUMBER]"),
    ("medical_record_number", "patient id 99-1234", "patient id [RECORD NUMBER]"),
    ("health_plan_number", "Member ID: XYZ123456789", "Member ID: [HEALTH PLAN NUMBER]"),
    ("account_number", "Account number 4455667", "Account number [ACCOUNT NUMBER]"),
    ("license_number", "DEA # AB1234563", "DEA # [LICENSE NUMBER]"),
    ("license_number", "driver's license no. D1234567", "driver's license no. [LICENSE NUMBER]"),
    ("vehicle_identifier", "VIN 1HGCM82633A004352", "VIN [VEHICLE]"),
    ("device_identifier", "serial number 123456,", "serial number [DEVICE],"),
    ("url", "see https://example.org/a?b=1 now", "see [URL] now"),
    ("url", "www.example.org", "[URL]"),
    ("url", "at mtsamples.com.", "at [URL]."),
    ("ip_address", "from 192.168.1.20,", "from [IP ADDRESS],"),
    ("ip_address", "from 2001:db8::1 and", "from [IP ADDRESS] and"),
    ("zip_code", "East Orange, NJ 07018", "East Orange, NJ [ZIP CODE]"),
    ("zip_code", "zip code 77030-1234", "zip code [ZIP CODE]"),
    ("age_over_89", "a 92-year-old man", "a [AGE]-year-old man"),
    ("age_over_89", "age 101", "age [AGE]"),
    ("age_over_89", "ninety-five-year-old", "[AGE]-year-old"),
]


@pytest.mark.parametrize(("kind", "text", "masked"), FOUND)
def test_each_form_is_found_once_and_masked(kind: str, text: str, masked: str) -> None:
    assert {key: count for key, count in count_identifiers(find_identifiers(text)).items() if count} == {
        kind: 1
    }
    assert mask_identifiers(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "BP 120/80, 12/24 hours, strength 5/5, reflexes 2/4, vision 20/40",
        "one 1/2 tablet, 1/2/3 points, pain 3/10, 4/5/5 power",
        "vertebrae L4-5, C3-C5, T12-L1; sutures 3-0, 4-0 Vicryl and 2-0 silk",
        "WBC 12.5, pH 7.38/67/86/97, sodium 138, platelets 15000, INR 1.6",
        "Lipitor 10 mg, 400-1200 mg, 250-500-1000 units, 300-1200 calories",
        "may 2 tablets, can march 10 steps, decreased by 10, in 2007, the 1990s",
        "Foley 16-18-20 French, at 10:30:45, ratio 1:2:1, 1.2.3",
        "the patient number of visits, case of 12, in a group of 30",
        "an 89-year-old woman, 90 mg, 95% on room air, 98.6 degrees, 90 pack-years",
        "45384, 59, colonoscopy 578.1, 12345-67",
        "Dr. X saw MM/DD/YYYY, XXX-XX-XXXX, Patient Name, ABCD Hospital, John Smith",
        "OR 12000, CT 64000, MD 20 mg, 100/60/12",
    ],
)
def test_clinical_numbers_are_no_identifiers(text: str) -> None:
    assert find_identifiers(text) == []
    assert mask_identifiers(text) == text


def test_every_kind_has_a_count_and_a_tested_form() -> None:
    assert tuple(count_identifiers(find_identifiers(""))) == IDENTIFIER_KINDS
    assert {kind for kind, _, _ in FOUND} == set(IDENTIFIER_KINDS)


def test_spans_are_ordered_and_apart_in_a_long_note() -> None:
    text = "\n".join(text for _, text, _ in FOUND)
    found = find_identifiers(text)
    assert sum(count_identifiers(find_identifiers(text)).values()) == len(found) >= len(FOUND) - 2
    assert all(found[index].end <= found[index + 1].start for index in range(len(found) - 1))


PIECES = st.sampled_from(
    [
        *(text for _, text, _ in FOUND),
        *"0123456789/-.@:[]()#+ ,\n\t\x0b\x1c\u0130\u0663\u00a0",
        *(
            "12",
            "/",
            "2003",
            "www.",
            "://",
            "http",
            "[DATE]",
            "MRN",
            "fax",
            "no.",
            "May",
            "x",
            "90",
            "-year-old",
        ),
        ".com",
    ]
)
TEXTS = st.one_of(st.lists(PIECES, max_size=25).map("".join), st.text(max_size=60))


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_masking_leaves_nothing_countable(text: str) -> None:
    masked = mask_identifiers(text)
    assert sum(count_identifiers(find_identifiers(masked)).values()) == 0
    assert mask_identifiers(masked) == masked


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXTS, max_size=5))
def test_many_texts_at_once_are_as_each_alone(texts: list[str]) -> None:
    found = find_in_texts(texts)
    assert found == [find_identifiers(text) for text in texts]
    assert mask_texts(texts, found) == [mask_identifiers(text) for text in texts]


def test_every_tested_form_is_found_among_many_texts_whatever_its_case() -> None:
    texts = [
        form for _, text, _ in FOUND for form in (text, text.upper(), text.replace(" ", "\x1f"), f"({text})")
    ]
    assert find_in_texts(texts) == [find_identifiers(text) for text in texts]


def test_few_ordinary_notes_are_looked_at_closely() -> None:
    """Else many texts at once would be no faster than one after the other."""
    texts = [str(row["transcription"]) for row in sample_rows(500, seed=3)]
    looked_at = [text for text, families in zip(texts, likely_families(texts), strict=True) if families]
    with_any = [text for text in texts if find_identifiers(text)]
    assert set(with_any) <= set(looked_at) and 0 < len(looked_at) < len(texts) / 5


@pytest.mark.parametrize(
    ("pattern", "loose"),
    [
        (
            r"(?<![\d\-])(\d{3}|[xX]{3})([- ])\2\1(?!\d)",
            r"(?:\d{3}|[xX]{3})(?:[- ])(?:[- ])(?:\d{3}|[xX]{3})",
        ),
        (r"\b(?P<value>a(?=[)\]]|\)))\b", "(?:a)"),
        (r"[^\s<]\s", r"[^\t-\r\x1c-\x20<][\t-\r\x1c-\x20]"),
    ],
)
def test_conditions_around_a_match_are_left_out(pattern: str, loose: str) -> None:
    assert loosened(pattern) == loose


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "a.",
        "a@",
        "@",
        "1",
        "1-",
        "1/",
        "12/12/",
        "1.",
        "1:",
        ":",
        "a:",
        "(",
        "123 ",
        "www.",
        "x-",
        "mrn ",
        "mrn#",
        "May ",
        "9",
        "90 ",
        "90-year",
        "http://",
        "zip",
        "phone 1",
        "fax:",
        "+1 ",
        "a-",
        "A1-",
        ".com",
        "no. ",
        "on 1/1",
    ],
)
def test_time_grows_with_the_length_only(piece: str) -> None:
    def seconds(length: int) -> float:
        # A sign of an e-mail address and of a URL, so that those patterns have a go at the run as well.
        text = piece * (length // len(piece)) + " @ .com"
        start = time.process_time()
        find_identifiers(text)
        find_in_texts([text])
        return time.process_time() - start

    # Eight times the length: linear takes 8 times as long, quadratic 64. The floor and two more tries keep noise out.
    assert any(seconds(64_000) < 24 * max(seconds(8_000), 0.02) for _ in range(3))
