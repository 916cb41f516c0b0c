"""The second part of the card: the sections of the Applied Model Card of the Coalition for Health AI (CHAI)."""

from __future__ import annotations

from collections.abc import Sequence

from medembed_pipeline.card.figures import HOLDS, judged_words, reason_of
from medembed_pipeline.card.inputs import CardFacts
from medembed_pipeline.card.settings import CardSettings
from medembed_pipeline.card.stated import stated
from medembed_pipeline.card.words import (
    MEASURING,
    NO_EXTERNAL_TEST,
    attracted,
    base_words,
    scored_words,
    stage_words,
    summary,
)
from medembed_pipeline.evaluation.metric_names import metric_label
from medembed_pipeline.training.card_parts import (
    DIRECT_USE,
    OUT_OF_SCOPE,
    TAGS,
    bullets,
    licence_from,
    licence_words,
    limits,
    plain,
    table,
)
from medembed_pipeline.verdict.gain import GAIN_RULES

TEST_TYPE = f"Retrospective and internal, on held-out notes. {NO_EXTERNAL_TEST}"
FAIRNESS_RULES = ("no_specialty_is_worse", "no_slice_is_worse")


def applied_part(facts: CardFacts, settings: CardSettings) -> str:
    """Basic information to bibliography, in the order of CHAI's schema."""
    return "\n\n".join(
        [
            "# Applied Model Card\n\nThe sections of CHAI's Applied Model Card (schema 0.2).",
            _basics(facts, settings),
            _directions(facts, settings),
            _trust(facts, settings),
            _metrics(facts),
            _resources(settings),
        ]
    )


def _basics(facts: CardFacts, settings: CardSettings) -> str:
    info = [
        ("Model Name", f"Clinical note embeddings, checkpoint `{facts.checkpoint}`"),
        ("Model Developer", stated(settings, "developer")),
        ("Developer Contact", stated(settings, "contact")),
    ]
    release = [
        ("Release Stage", stage_words(facts)),
        (
            "Release Date",
            "Not in this card, which is the same for the same figures; `medembed history` tells it.",
        ),
        ("Release Version", f"`{facts.checkpoint}`"),
        ("Global Availability", stated(settings, "availability")),
        ("Regulatory Approval", stated(settings, "regulatory_approval")),
    ]
    model = [("Summary", summary(facts)), ("Keywords", ", ".join(TAGS))]
    return "\n\n".join(
        [
            _section("Basic Info", info),
            _section("Release Info", release),
            _section("Model Summary", model),
        ]
    )


def _directions(facts: CardFacts, settings: CardSettings) -> str:
    encoder = facts.manifest.get("encoder") or {}
    uses = [
        ("Intended Use and Workflow", f"{DIRECT_USE} Workflow: {stated(settings, 'intended_workflow')}"),
        ("Primary Intended Users", stated(settings, "primary_users")),
        (
            "How to Use",
            "See *How to Get Started with the Model*. Whoever searches sees the notes found and judges them.",
        ),
        ("Targeted Patient Population", stated(settings, "population")),
        ("Cautioned Out-of-Scope Settings", OUT_OF_SCOPE),
    ]
    biases = (
        "Labels are taken as they are: what is written under a specialty at one site is learnt as that specialty. "
        "Specialties and groups of patients with few notes are learnt worse and measured less surely. "
        + judged_words(facts.verdict.get("slice_tests", []), "slices")
    )
    warnings = [
        ("Known Risks and Limitations", " ".join(limits(encoder))),
        ("Known Biases or Ethical Considerations", biases),
        ("Clinical Risk Level", stated(settings, "clinical_risk_level")),
    ]
    return "\n\n".join([_section("Uses and Directions", uses), _section("Warnings", warnings)])


def _trust(facts: CardFacts, settings: CardSettings) -> str:
    counts = ", ".join(
        f"{plain(name.replace('_', ' '))}: {plain(number)}"
        for name, number in sorted((facts.manifest.get("counts") or {}).items())
    )
    system = [
        ("Outcomes and Outputs", "A vector a note. No diagnosis, no score of a patient, no recommendation."),
        (
            "Model Type",
            f"Text encoder (transformer), fine-tuned so that {attracted(facts)} attract each other.",
        ),
        (
            "Foundation Models",
            f"{base_words(facts)}, licence of the base: {licence_words(licence_from(facts.manifest))}",
        ),
        ("Input Data Source", stated(settings, "data_source")),
        (
            "Output and Input Data Types",
            "Input: free text. Output: numbers of 32 bits, a unit vector a text.",
        ),
        ("Development Data Characterization", counts or "not recorded"),
        (
            "Bias Mitigation Approaches",
            "None while training. After it, a specialty or a slice that is shown to be worse stops the release.",
        ),
        (
            "Ongoing Maintenance",
            "With new notes the pipeline measures again, writes this card anew, and trains again by its policy.",
        ),
        (
            "Security",
            "Weights and vectors may carry traces of notes: who may read them must be allowed to read the notes.",
        ),
        ("Transparency", "Figures, rules and data versions stand in the first part of this card."),
    ]
    transparency = [
        ("Funding Source", stated(settings, "funding")),
        ("Third Party Information", f"The base model {base_words(facts)} is of a third party."),
        ("Stakeholders Consulted", stated(settings, "stakeholders")),
    ]
    return "\n\n".join(
        [
            "## Trust Ingredients",
            _section("AI System Facts", system, level=3),
            _section("Transparency Information", transparency, level=3),
        ]
    )


def _metrics(facts: CardFacts) -> str:
    gain = GAIN_RULES[facts.judged_on_passages]
    goal = (
        "A passage of a note finds its note better than by the base model."
        if facts.judged_on_passages
        else f"Notes of the same specialty are found better than by the base model ({metric_label(facts.main_metric)})."
    )
    rules = [row for row in facts.rules if row["kind"] == "decides"]
    safety = [row for row in rules if row["rule"] not in (gain, *FAIRNESS_RULES)]
    shared = [
        ("Test Type", TEST_TYPE),
        ("Testing Data Description", scored_words(facts)),
        ("Validation Process and Justification", MEASURING),
    ]
    usefulness = [
        ("Metric Goal", goal),
        ("Result", reason_of(facts, gain)),
        ("Interpretation", _holds(facts, (gain,))),
    ]
    fairness = [
        ("Metric Goal", "No specialty and no slice of the notes is served worse than by the base model."),
        (
            "Result",
            f"{judged_words(facts.verdict.get('specialty_tests', []), 'specialties')} "
            f"{judged_words(facts.verdict.get('slice_tests', []), 'slices')}",
        ),
        ("Interpretation", " ".join(reason_of(facts, rule) for rule in FAIRNESS_RULES)),
    ]
    reliability = [
        (
            "Metric Goal",
            "What the base model could is kept, the space is healthy, and no scored note was seen before.",
        ),
        (
            "Result",
            "; ".join(f"{plain(row['rule'])}: {HOLDS[row['passed']]}" for row in safety) or "Not judged.",
        ),
        ("Interpretation", _holds(facts, [row["rule"] for row in safety])),
    ]
    return "\n\n".join(
        [
            "## Key Metrics",
            _section("Usefulness, Usability, and Efficacy", [*usefulness, *shared], level=3),
            _section("Fairness and Equity", [*fairness, *shared], level=3),
            _section("Safety and Reliability", [*reliability, *shared], level=3),
        ]
    )


def _holds(facts: CardFacts, names: Sequence[str]) -> str:
    found = [row["passed"] for row in facts.rules if row["rule"] in names]
    if not found:
        return "Not judged."
    return (
        f"Rules of the release verdict that hold: {found.count(True)}; broken: {found.count(False)}; not judged: "
        f"{found.count(None)}."
    )


def _resources(settings: CardSettings) -> str:
    resources = [
        (
            "Evaluation References",
            "The tables embedding\\_metrics, slice\\_metrics, task\\_metrics and others.",
        ),
        ("Clinical Trial", stated(settings, "publications")),
        ("Peer Reviewed Publications", stated(settings, "publications")),
        ("Reimbursement Status", stated(settings, "reimbursement")),
        ("Patient Consent or Disclosure", stated(settings, "consent")),
    ]
    bibliography = [
        "M. Mitchell et al., Model Cards for Model Reporting, FAT* 2019.",
        "Coalition for Health AI, Applied Model Card, <https://github.com/coalition-for-health-ai/mc-schema>.",
    ]
    return f"{_section('Resources', resources)}\n\n## Bibliography\n\n{bullets(bibliography)}"


def _section(title: str, rows: Sequence[tuple[str, str]], *, level: int = 2) -> str:
    shown = table(["", "what is known"], [[f"**{name}**", text] for name, text in rows])
    return f"{'#' * level} {title}\n\n{shown}"
