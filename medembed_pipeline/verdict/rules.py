"""The rules that decide: figures in, one row per rule out, each with its reason in a sentence.

A rule ends in one of three ways. It holds. It is clearly broken: one is enough for `retrain`. Or it could not be judged
either way, which forbids `deploy`: the interval straddles zero, there are too few notes, a figure is undefined.
What a corpus cannot show at all (no note with a near-duplicate, no slice) is no rule then, and stands among the
information.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from medembed_pipeline.evaluation.metric_names import metric_key, metric_label
from medembed_pipeline.evaluation.significance import groups_to_decide
from medembed_pipeline.tasks.table import judgement
from medembed_pipeline.verdict.evidence import Evidence, Task
from medembed_pipeline.verdict.gain import gain_outcomes
from medembed_pipeline.verdict.outcomes import Outcome
from medembed_pipeline.verdict.scopes import ScopeTest, standard_error
from medembed_pipeline.verdict.settings import VerdictSettings

MINIMUM_DETAIL_NOTES = 10
"""With fewer notes that have a detail mate, a share of them is chance."""
_TINY = 1e-9


def deciding_outcomes(evidence: Evidence, settings: VerdictSettings) -> list[Outcome]:
    """Judge every rule of RULES that applies, in its order, and then every task."""
    return [
        *gain_outcomes(evidence, settings),
        specialty_harm(evidence, settings),
        slice_harm(evidence, settings),
        detail(evidence, settings),
        effective_rank(evidence, settings),
        collapse(evidence, settings),
        hubs(evidence, settings),
        reachability(evidence, settings),
        split_leaks(evidence),
        scored_notes_seen(evidence),
        *task_outcomes(evidence),
    ]


def specialty_harm(evidence: Evidence, settings: VerdictSettings) -> Outcome:
    """Broken: at least one specialty fell by more than the tolerance, and not by chance.

    Not judged: one fell so far that it must not be passed over, or the mean over all specialties (where each counts
    alike, the small ones too) is not shown to have kept within the tolerance. No rule where nothing was learned from
    specialties, and none has enough notes.
    """
    key, label = metric_key(settings.main_metric), metric_label(settings.main_metric)
    tests, limit = evidence.specialties, -settings.specialty_tolerance
    mean = evidence.metric("difference", key, "macro")
    if not tests:
        clause = (
            "no specialty has enough held-out notes for a figure of its own"
            if evidence.scored_notes
            else "no held-out note has a specialty, so there is none to judge"
        )
        return Outcome(
            "no_specialty_is_worse",
            "information" if evidence.judged_on_passages else "decides",
            None,
            math.nan,
            limit,
            f"{clause[:1].upper()}{clause[1:]}.",
            "embedding_metrics",
            clause=clause,
        )
    judged = {test.name for test in tests if test.state != "not_judged"}
    share = sum(bool(judged & set(names)) for names in evidence.specialty_sets) / max(
        1, len(evidence.specialty_sets)
    )
    passed, clause, reason = _scopes(
        tests, "specialty", "specialties", label, settings, f"{share:.0%} of the notes"
    )
    kept_on_average = mean.ci_low > limit
    if passed and not kept_on_average:
        passed = None
        clause = f"the mean of {label} over the specialties may have fallen by more than {-limit:g}"
    reason += (
        f" The mean over all specialties changed by {mean.value:+.3f} [{mean.ci_low:+.3f}, {mean.ci_high:+.3f}]"
        f"{'' if kept_on_average else f', which may be below {limit:+g}'}."
    )
    lowest = min(tests, key=lambda test: (test.state != "worse", test.difference, test.name))
    figure = evidence.metric("difference", key, lowest.name)
    return Outcome(
        "no_specialty_is_worse",
        "decides",
        passed,
        lowest.difference,
        limit,
        reason,
        "embedding_metrics",
        figure.ci_low,
        figure.ci_high,
        clause,
    )


def slice_harm(evidence: Evidence, settings: VerdictSettings) -> Outcome:
    """As `specialty_harm`, for the values of the slices; no rule where there is no slice."""
    label, limit = metric_label(settings.main_metric), -settings.slice_tolerance
    if not evidence.slices:
        reason = "No slices are set ([evaluation] slices), so no part of the notes is looked at by itself."
        if not evidence.scored_notes:
            reason = "The figures of slices go by specialties, and no held-out note has one."
        return Outcome("no_slice_is_worse", "information", None, math.nan, limit, reason, "slice_metrics")
    judged = sum(test.state != "not_judged" for test in evidence.slices)
    passed, clause, reason = _scopes(
        evidence.slices, "slice", "slices", label, settings, f"{judged} of {len(evidence.slices)}"
    )
    lowest = min(evidence.slices, key=lambda test: (test.state != "worse", test.difference, test.name))
    return Outcome(
        "no_slice_is_worse",
        "decides",
        passed,
        lowest.difference,
        limit,
        reason,
        "slice_metrics",
        clause=clause,
    )


def _scopes(
    tests: Sequence[ScopeTest], one: str, many: str, label: str, settings: VerdictSettings, coverage: str
) -> tuple[bool | None, str, str]:
    """Whether none is worse, the clause against it, and the reason: how many were judged, and what was not."""
    worse = sorted(
        (test for test in tests if test.state == "worse"), key=lambda test: (test.difference, test.name)
    )
    open_tests = [test for test in tests if test.state == "not_judged"]
    alarming = [test for test in open_tests if test.alarming]
    tolerance = settings.specialty_tolerance if one == "specialty" else settings.slice_tolerance
    how = (
        f"than {-tolerance:+.3f} {label} (Holm-corrected over {len(tests)}, level {settings.significance:g})"
    )
    judged = len(tests) - len(open_tests)
    told = f"{judged} of {len(tests)} {many} were judged ({coverage})"
    fallen = sorted(
        (test for test in open_tests if test.difference < 0), key=lambda test: (test.difference, test.name)
    )
    rest = ""
    if fallen:
        named = [
            f"{test.name} ({test.difference:+.3f}, {test.queries} notes"
            + (f", about {test.queries_needed} would tell)" if test.queries_needed else ")")
            for test in fallen
        ]
        rest = f" Not judged, and lower: {'; '.join(named)}."
    elif open_tests:
        rest = f" None of the {len(open_tests)} that were not judged is lower."
    if worse:
        listed = [
            f"{test.name} ({test.difference:+.3f}, p {test.p_adjusted:.2g}, {test.queries} notes)"
            for test in worse[:3]
        ]
        more = f" and {len(worse) - 3} more" if len(worse) > 3 else ""
        clause = f"significantly worse for {', '.join(listed)}{more}"
        return False, clause, f"Significantly worse {how}: {', '.join(listed)}{more}. {told}.{rest}"
    if alarming:
        listed = [f"{test.name} ({test.difference:+.3f} on {test.queries} notes)" for test in alarming[:3]]
        clause = f"too few notes to judge a {one} that fell far: {', '.join(listed)}"
        return None, clause, f"{clause[:1].upper()}{clause[1:]}. {told}.{rest}"
    return True, "", f"No {one} is significantly worse {how}. {told}.{rest}"


def detail(evidence: Evidence, settings: VerdictSettings) -> Outcome:
    """Broken: of the mates that a note finds in the baseline beyond chance, too small a share is left."""
    limit = settings.smallest_detail_share
    found = [
        record
        for record in evidence.health_facts.get("detail", [])
        if record["share_kept"] is not None and record["notes"] >= MINIMUM_DETAIL_NOTES
    ]
    if not found:
        reason = (
            f"Fewer than {MINIMUM_DETAIL_NOTES} notes have a near-duplicate or a note of the same sample name that "
            "the baseline finds, so whether detail is kept cannot be seen in this corpus."
        )
        return Outcome(
            "detail_is_kept", "information", None, math.nan, limit, reason, "embedding_diagnostics"
        )
    worst = min(found, key=lambda record: (record["share_kept"], record["method"]))
    share = float(worst["share_kept"])
    passed = share >= limit
    reason = (
        f"Of the mates by {worst['method'].replace('_', ' ')} that a note finds within its specialty beyond chance, "
        f"{share:.0%} are left (found: {worst['baseline']:.3f} before, {worst['tuned']:.3f} after, "
        f"{worst['random_order']:.3f} by chance); at least {limit:.0%} must be."
    )
    clause = "" if passed else f"detail within specialties is lost ({share:.0%} of it is left)"
    return Outcome(
        "detail_is_kept", "decides", passed, share, limit, reason, "embedding_diagnostics", clause=clause
    )


def effective_rank(evidence: Evidence, settings: VerdictSettings) -> Outcome:
    """Broken: the vectors lie in too few directions."""
    figure, limit = evidence.health_figure("effective_rank"), settings.smallest_effective_rank_share
    return _share(
        "effective_rank_is_kept",
        figure.share_kept,
        limit,
        f"The effective rank, {figure.baseline:.1f} before and {figure.tuned:.1f} after,",
        "the space has collapsed into few directions",
        "the effective rank",
    )


def collapse(evidence: Evidence, settings: VerdictSettings) -> Outcome:
    """Broken: the spread of a specialty's notes is all but gone."""
    limit = settings.smallest_spread_share
    shares = {
        name: figure.share_kept
        for name, figure in evidence.health_figures("specialty_spread").items()
        if not math.isnan(figure.share_kept) and figure.baseline > _TINY
    }
    if not shares and evidence.judged_on_passages:
        reason = "No specialty has two held-out notes, so there is none that could have collapsed."
        return Outcome(
            "no_specialty_collapsed", "information", None, math.nan, limit, reason, "embedding_diagnostics"
        )
    if not shares:
        return _share("no_specialty_collapsed", math.nan, limit, "", "", "the spread of every specialty")
    name = min(shares, key=lambda name: (shares[name], name))
    return _share(
        "no_specialty_collapsed",
        shares[name],
        limit,
        f"The spread of {name}, the specialty that was drawn together most,",
        f"the notes of {name} collapsed into a point",
        name,
    )


def _share(rule: str, share: float, limit: float, found: str, alarm: str, undefined: str) -> Outcome:
    """The outcome of a share of the baseline's figure that must be kept."""
    if math.isnan(share):
        clause = f"{undefined} is undefined on so few notes"
        reason = (
            "Undefined: embedding_diagnostics has no such figure for both models, there are too few notes."
        )
        return Outcome(rule, "decides", None, share, limit, reason, "embedding_diagnostics", clause=clause)
    passed = share >= limit
    reason = f"{found} is {share:.0%} of the baseline's; at least {limit:.0%} must be kept."
    clause = "" if passed else f"{alarm} ({share:.1%} of the baseline's is left)"
    return Outcome(rule, "decides", passed, share, limit, reason, "embedding_diagnostics", clause=clause)


def hubs(evidence: Evidence, settings: VerdictSettings) -> Outcome:
    """Broken: the skew of the k-occurrence is above the limit, and grew."""
    return _grown(
        evidence,
        "no_hub_alarm",
        "hubness_skew",
        settings.largest_hub_skew,
        "The skew of how often a note is a neighbour",
        "a few notes have become neighbours of everything (skew {:.1f})",
        "{:.2f}",
    )


def reachability(evidence: Evidence, settings: VerdictSettings) -> Outcome:
    """Broken: the share of notes that no search finds is above the limit, and grew."""
    return _grown(
        evidence,
        "notes_stay_reachable",
        "unreachable_share",
        settings.largest_unreachable_share,
        "The share of notes that no search finds",
        "{:.0%} of the notes are found by no search",
        "{:.1%}",
    )


def _grown(
    evidence: Evidence, rule: str, name: str, limit: float, what: str, alarm: str, number: str
) -> Outcome:
    figure = evidence.health_figure(name)
    before, after = figure.baseline, figure.tuned
    if math.isnan(before) or math.isnan(after):
        reason = f"{what} is undefined on so few notes."
        return Outcome(
            rule,
            "decides",
            None,
            after,
            limit,
            reason,
            "embedding_diagnostics",
            clause=f"{what[:1].lower()}{what[1:]} is undefined",
        )
    passed = after <= limit or after <= before
    shown = [number.format(value) for value in (before, after, limit)]
    reason = f"{what} goes from {shown[0]} to {shown[1]}; the alarm is above {shown[2]}"
    reason += ", and it did not grow." if after > limit and after <= before else "."
    clause = "" if passed else alarm.format(after)
    return Outcome(rule, "decides", passed, after, limit, reason, "embedding_diagnostics", clause=clause)


def split_leaks(evidence: Evidence) -> Outcome:
    """Broken: anything lies in two splits."""
    total = sum(evidence.crossings.values())
    found = "; ".join(
        f"{count} {what.replace('_', ' ')}" for what, count in evidence.crossings.items() if count
    )
    clause = f"the splits leak ({found})" if total else ""
    clean = "no text, near-duplicate of a text, patient or group lies in two splits, and every note in one"
    reason = f"Found anew from the texts: {found or clean}."
    return Outcome(
        "splits_do_not_leak", "decides", not total, float(total), 0.0, reason, "note_splits", clause=clause
    )


def scored_notes_seen(evidence: Evidence) -> Outcome:
    """Broken: a scored note, or a near-duplicate of one, was trained on."""
    total = sum(evidence.trained_on.values())
    share = max(evidence.seen_shares, default=0.0)
    about = f"checkpoint {evidence.checkpoint}"
    if total:
        found = "; ".join(
            f"{count} {what.replace('_', ' ')}" for what, count in evidence.trained_on.items() if count
        )
        clause = f"scored notes were trained on ({found})"
        reason = f"Between the notes scored and those that {about} was trained on: {found}."
    elif share > 0:
        clause = f"{share:.1%} of what the leakage estimate scored was trained on"
        reason = f"{clause[:1].upper()}{clause[1:]} by {about}, in a split that must not leak."
    else:
        clause = ""
        reason = (
            f"None of the {evidence.judged_notes} scored notes, and no near-duplicate of one, was trained on by "
            f"{about}."
        )
    return Outcome(
        "scored_notes_are_unseen",
        "decides",
        not total and share <= 0,
        float(total),
        0.0,
        reason,
        # The leakage estimate goes by duplicate groups: of what was found anew from the texts, it may show nothing.
        "note_splits" if total else "leakage_estimate",
        clause=clause,
    )


def task_outcomes(evidence: Evidence) -> list[Outcome]:
    """One rule per task, each for itself: it holds where the task is shown to have kept within its tolerance.

    Broken: the whole interval of the change is below zero, and the change beyond the tolerance. Between the two the
    task is not judged.
    """
    return [_task(task, evidence.confidence) for task in evidence.tasks]


def _task(task: Task, confidence: float) -> Outcome:
    rule, limit = f"keeps_{task.name}", -task.tolerance
    what = f"{task.name.replace('_', ' ')} ({metric_label(task.metric)})"
    if task.problem:
        return Outcome(
            rule,
            "decides" if task.decides else "information",
            None,
            math.nan,
            limit,
            f"Not measured: {task.problem}",
            "task_metrics",
            clause=f"{task.name.replace('_', ' ')} could not be measured",
        )
    found = (
        f"{what[:1].upper()}{what[1:]} goes from {task.baseline:.3f} to {task.tuned:.3f} on {task.n} items, by "
        f"{task.difference:+.3f} [{task.ci_low:+.3f}, {task.ci_high:+.3f}]; word matching reaches {task.lexical:.3f}"
    )
    judged = judgement(task.difference, task.ci_low, task.ci_high, task.tolerance)
    if judged == "kept":
        clause = ""
        reason = f"{found}. It is kept within {task.tolerance:g}."
    elif judged == "lost":
        clause = f"{what} fell by {-task.difference:.3f}, {task.tolerance:g} is tolerated"
        reason = f"{found}. Only a fall of {task.tolerance:g} is tolerated."
    else:
        clause = f"{what} may have fallen by more than {task.tolerance:g}"
        error = standard_error(task.ci_low, task.ci_high, task.degrees, confidence=confidence)
        groups = groups_to_decide(
            task.difference, error, task.groups, tolerance=task.tolerance, significance=(1 - confidence) / 2
        )
        needed = (
            "" if groups is None else f"; about {math.ceil(groups * task.n / task.groups)} items would tell"
        )
        reason = f"{found}. A fall of {task.tolerance:g} cannot be excluded{needed}."
    return Outcome(
        rule,
        "decides" if task.decides else "information",
        {"kept": True, "lost": False, "unclear": None}[judged],
        task.difference,
        limit,
        reason,
        "task_metrics",
        task.ci_low,
        task.ci_high,
        clause,
    )
