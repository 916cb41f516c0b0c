"""The patterns of identifiers, each with the hint that tells where in a note it is worth trying.

Every pattern is bounded, or starts only where its own run of characters starts, so that the time grows with
the length of the text and not with its square. Precision is preferred where a number alone says nothing:
blood pressures, doses, vertebrae, sutures and scores are no dates, and five digits are no ZIP code.
"""

import re
from typing import NamedTuple

_DAY = r"(?:3[01]|[12]\d|0?[1-9])"
_MONTH = r"(?:1[0-2]|0?[1-9])"
_MONTH_NAME = (
    r"(?:(?:[Jj]anuary|JANUARY|[Ff]ebruary|FEBRUARY|March|MARCH|[Aa]pril|APRIL|May|MAY|[Jj]une|JUNE|[Jj]uly|JULY|"
    r"[Aa]ugust|AUGUST|[Ss]eptember|SEPTEMBER|[Oo]ctober|OCTOBER|[Nn]ovember|NOVEMBER|[Dd]ecember|DECEMBER)"
    r"|(?:Jan|JAN|Feb|FEB|Mar|MAR|Apr|APR|Jun|JUN|Jul|JUL|Aug|AUG|Sept?|SEPT?|Oct|OCT|Nov|NOV|Dec|DEC)\b\.?)"
)
_NO_UNIT = r"(?![\d/]|[.,]\d|\s?(?:mg|mcg|ml|mL|cc|cm|mm|units|g\b|%))"
_YEAR = r"(?:19|20)\d\d"
_VALUE = r"(?P<value>(?=[A-Za-z\-]{0,8}\d)[A-Za-z0-9](?:[A-Za-z0-9\-]{0,40}[A-Za-z0-9]))(?![A-Za-z0-9\-])"
_NUMBER_SIGN = r"(?:\s?(?:number|num\b|no\b\.?|nos?\.|id\b|\#))"
_COLON = r"\s?(?:is|was|of)?\s?[:#]{0,2}\s?\#?\s?"
_BYTE = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_ZIP_AFTER_WORD = r"\bzip(?: ?code)?\s?[:#]?\s?(?P<value>\d{5}(?:-\d{4})?)(?!\d)"
_AREA = r"(?:\(\d{3}\)\s?|\d{3}[-.\s/])"
_PHONE_NUMBER = rf"(?:\+?1[-.\s])?{_AREA}\d{{3}}[-.\s]\d{{4}}"
_EXTENSION = r"(?:\s?(?:x|ext\.?|extension)\s?\d{1,6})?"
_SHORT_PHONE = r"[2-9]\d\d[-.\s]\d{4}"
_PHONE_WORD = r"(?:tele?phone|phone|tel|cell|mobile|pager?|beeper|call(?:ed|ing)?|contact)"
_STATE_CODE = (
    r"(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|P[AR]|RI|S[CD]|T[NX]|UT|"
    r"V[AT]|W[AIVY])"
)


def _starting(characters: str) -> str:
    """No character of the class stands before: a run is tried once, at its start, not at each position."""
    return rf"(?<![{characters}])"


class IdentifierFamily(NamedTuple):
    """Patterns that can only match near a hint: looked for there, not at every character of the note.

    ``words`` are searched in the lower-cased text, ``hint`` is a regular expression whose first character is
    cheap to find. ``before`` and ``after`` say how far around a hint a match can reach; None: the whole text.
    """

    words: tuple[str, ...]
    hint: re.Pattern[str] | None
    before: int | None
    after: int
    patterns: tuple[tuple[str, re.Pattern[str]], ...]


def _patterns(*pairs: tuple[str, str], flags: int = 0) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((kind, re.compile(pattern, flags)) for kind, pattern in pairs)


# In order of precedence: where two patterns meet on the same characters, the earlier one has them.
IDENTIFIER_FAMILIES: tuple[IdentifierFamily, ...] = (
    IdentifierFamily(
        ("://", "www."),
        None,
        None,
        0,
        _patterns(
            ("url", r"\b(?:https?|ftp)://[^\s<>\"]+"),
            ("url", _starting(r"A-Za-z0-9@.\-") + r"www\.[^\s<>\"]+"),
            flags=re.IGNORECASE,
        ),
    ),
    IdentifierFamily(
        ("@",),
        None,
        None,
        0,
        _patterns(
            (
                "email",
                _starting(r"A-Za-z0-9._%+\-") + r"[A-Za-z0-9._%+\-]+@(?:[A-Za-z0-9\-]+\.)+[A-Za-z]{2,}",
            ),
        ),
    ),
    IdentifierFamily(
        (".com", ".org", ".net", ".gov", ".edu"),
        None,
        None,
        0,
        _patterns(
            (
                "url",
                _starting(r"A-Za-z0-9@.\-")
                + r"(?:[A-Za-z0-9\-]+\.)+(?:com|org|net|gov|edu)\b(?:/[^\s<>\"]*)?",
            ),
        ),
    ),
    IdentifierFamily(
        ("ssn", "social security", "xx-", "**-"),
        None,
        12,
        120,
        _patterns(
            ("ssn", r"(?<![\d\-])(?:\d{3}|[xX*]{3})([- ])(?:\d\d|[xX*]{2})\1\d{4}(?![\d\-])"),
            (
                "ssn",
                rf"\b(?:ssn|social security)\b{_NUMBER_SIGN}?{_COLON}(?P<value>\d{{3}}-?\d\d-?\d{{4}})(?!\d)",
            ),
            flags=re.IGNORECASE,
        ),
    ),
    IdentifierFamily(
        ("fax", "facsimile"),
        None,
        0,
        120,
        _patterns(
            (
                "fax",
                rf"\b(?:fax|facsimile){_NUMBER_SIGN}?{_COLON}(?P<value>{_PHONE_NUMBER}|{_SHORT_PHONE})(?![\d\-])",
            ),
            flags=re.IGNORECASE,
        ),
    ),
    IdentifierFamily(
        ("phone", "tel", "cell", "mobile", "page", "beeper", "call", "contact"),
        None,
        4,
        120,
        _patterns(
            (
                "phone",
                rf"\b{_PHONE_WORD}\b{_NUMBER_SIGN}?(?:\s(?:at|me|us|on))?{_COLON}"
                rf"(?P<value>{_SHORT_PHONE}{_EXTENSION}|\d{{10}})(?![\d\-])",
            ),
            flags=re.IGNORECASE,
        ),
    ),
    IdentifierFamily(
        (
            "mrn",
            "mr#",
            "mr #",
            "rec",
            "chart",
            "patient",
            "hospital",
            "encounter",
            "accession",
            "specimen",
            "case",
        ),
        None,
        12,
        120,
        _patterns(
            (
                "medical_record_number",
                rf"\b(?:mrn|mr\s?\#|(?:med(?:ical)?\.? ?rec(?:ord)?|chart|patient|hospital|encounter|"
                rf"accession|specimen|case|record){_NUMBER_SIGN}){_NUMBER_SIGN}?{_COLON}{_VALUE}",
            ),
            flags=re.IGNORECASE,
        ),
    ),
    IdentifierFamily(
        (
            "plan",
            "insurance",
            "policy",
            "member",
            "subscriber",
            "beneficiary",
            "medicaid",
            "medicare",
            "group",
        ),
        None,
        8,
        120,
        _patterns(
            (
                "health_plan_number",
                rf"\b(?:health ?plan|insurance|policy|member|subscriber|beneficiary|medicaid|medicare|group)"
                rf"{_NUMBER_SIGN}{_COLON}{_VALUE}",
            ),
            flags=re.IGNORECASE,
        ),
    ),
    IdentifierFamily(
        ("account", "acct", "licen", "certificat", "registration", "passport", "dea", "npi", "vin", "plate"),
        None,
        14,
        120,
        _patterns(
            ("account_number", rf"\b(?:account|acct\.?){_NUMBER_SIGN}?{_COLON}{_VALUE}"),
            (
                "vehicle_identifier",
                rf"\b(?:vin|(?:licen[sc]e|number|registration) plate){_NUMBER_SIGN}?{_COLON}{_VALUE}",
            ),
            (
                "license_number",
                rf"\b(?:(?:licen[sc]e|certificate|certification|registration|passport|dea|npi){_NUMBER_SIGN}"
                rf"|npi|dea){_COLON}{_VALUE}",
            ),
            flags=re.IGNORECASE,
        ),
    ),
    IdentifierFamily(
        ("serial", "lot", "device", "udi", "implant", "s/n"),
        None,
        0,
        120,
        _patterns(
            (
                "device_identifier",
                rf"\b(?:(?:serial|lot|device|udi|implant){_NUMBER_SIGN}|s/n\b|udi){_COLON}{_VALUE}",
            ),
            flags=re.IGNORECASE,
        ),
    ),
    IdentifierFamily(
        (),
        re.compile(r":[0-9A-Fa-f]{0,4}:"),
        45,
        45,
        _patterns(
            ("ip_address", r"(?<![0-9A-Za-z:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![0-9A-Za-z:])"),
        ),
    ),
    IdentifierFamily(("zip",), None, 0, 120, _patterns(("zip_code", _ZIP_AFTER_WORD), flags=re.IGNORECASE)),
    IdentifierFamily(
        (),
        re.compile(r"[0-9][0-9/.\-() ]{4,}"),
        12,
        24,
        _patterns(
            ("ssn", r"(?<![\d\-])\d{3}([- ])\d\d\1\d{4}(?![\d\-])"),
            ("phone", rf"(?<![\d\-/.]){_PHONE_NUMBER}{_EXTENSION}(?![\d\-]|\s?(?:mg|mcg|ml|units|cal))"),
            ("phone", r"(?<![\d\w])\+\d{1,3}(?:[-. ]\(?\d{2,4}\)?){3,5}(?!\d)"),
            ("ip_address", rf"(?<![\d.])(?:{_BYTE}\.){{3}}{_BYTE}(?!\d|\.\d)"),
            ("date", rf"(?<![\d/.\-]){_YEAR}([-/.]){_MONTH}\1{_DAY}(?!\d)"),
            ("date", rf"(?<![\d/.\-])(?:{_MONTH}([-/.]){_DAY}\1|{_DAY}([-/.]){_MONTH}\2){_YEAR}(?!\d)"),
            ("date", rf"(?<![\d/.\-])(?:{_MONTH}/{_DAY}|{_DAY}/{_MONTH})/\d\d(?![\d/]|[.,\-]\d)"),
            ("date", r"(?<![\d/.\-])(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])-\d\d(?![\d\-]|[.,/]\d)"),
            ("date", rf"(?<![\d/.\-]){_MONTH}/{_YEAR}(?![\d/])"),
            (
                "zip_code",
                rf"(?<=[A-Za-z.]),\s{{0,2}}{_STATE_CODE}\.?,?\s{{1,2}}(?P<value>\d{{5}}(?:-\d{{4}})?)(?![\d\-])",
            ),
            ("zip_code", r"(?<![\d\-])\d{5}-\d{4}(?![\d\-])"),
        ),
    ),
    IdentifierFamily(
        (),
        re.compile(r"[0-9]/[0-9][0-9]"),
        12,
        24,
        _patterns(
            (
                "date",
                r"\b(?:on|dated|since|until|DOB|DOS):?\s"
                r"(?P<value>(?:1[0-2]|0?[1-9])/(?:0[1-9]|1[1-9]|2\d|3[01]))(?![\d/.%]|\s?(?:mg|tab|of|scale))",
            ),
        ),
    ),
    IdentifierFamily(
        (
            "january",
            "february",
            "april",
            "june",
            "july",
            "august",
            "september",
            "october",
            "november",
            "december",
        ),
        re.compile(r"[JFMASOND](?:an|AN|eb|EB|ar|AR|pr|PR|ay|AY|u[nlg]|U[NLG]|ep|EP|ct|CT|ov|OV|ec|EC)"),
        16,
        40,
        _patterns(
            ("date", rf"\b{_MONTH_NAME}\s?{_DAY}(?:st|nd|rd|th)?(?:,?\s{{0,2}}{_YEAR}(?!\d)|{_NO_UNIT})"),
            (
                "date",
                rf"(?<![\d/.\-]){_DAY}(?:st|nd|rd|th)?[\s\-](?:of\s)?{_MONTH_NAME}(?:[\s,\-]{{1,2}}{_YEAR}(?!\d)|\b)",
            ),
            ("date", rf"\b{_MONTH_NAME},?(?:\sof)?[\s\-']{{1,2}}{_YEAR}(?!\d)"),
        ),
    ),
    IdentifierFamily(
        ("ninety", "one hundred", "one-hundred"),
        re.compile(r"9\d|1[0-2]\d"),
        16,
        32,
        _patterns(
            (
                "age_over_89",
                r"(?<![\d.\-/])(?P<value>9\d|1[0-2]\d)"
                r"(?:[\s\-]?(?:years?|yrs?\.?)[\s\-](?:old|of\sage)|\s?-?(?:y\.?o\b|y/o))",
            ),
            (
                "age_over_89",
                r"\bage[ds]?:?\s(?:of\s)?(?P<value>9\d|1[0-2]\d)(?![\d.%/]|\s?(?:days|weeks|months))",
            ),
            (
                "age_over_89",
                r"\b(?P<value>ninety(?:[\s\-](?:one|two|three|four|five|six|seven|eight|nine))?|one[\s\-]hundred)"
                r"[\s\-]years?[\s\-]old",
            ),
            flags=re.IGNORECASE,
        ),
    ),
)
