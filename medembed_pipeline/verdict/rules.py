"""The rules that decide: figures in, one row per rule out, each with its reason in a sentence.

A rule ends in one of three ways. It holds. It is clearly broken: one is enough for `retrain`. Or it could not be judged
either way, which forbids `deploy`: the interval straddles zero, there are too few notes, a figure is undefined.
What a corpus cannot show at all (no note with a near-duplicate, no general sentence pairs) is no rule then, and
stands among the information.
"""

from __future__ import annotations

import math

from medembed_pipeline.settings import VerdictSettings
from medembed_pipeline.verdict.evidence import METRIC_LABELS, Evidence, metric_key
from medembed_pipeline.verdict.outcomes import Outcome

MINIMUM_DETAIL_NOTES = 10
"""With fewer notes that have a detail mate, a share of them is chance."""
_TINY = 1e-9


def deciding_outcomes(evidence: Evidence, settings: VerdictSettings) -> list[Outcome]:
    """Judge every rule of RULES, in its order."""
    return [
        main_metric(evidence, settings),
        specialty_harm(evidence, settings),
        detail(evidence, settings),
        effective_rank(evidence, settings),
        collapse(evidence, settings),
        hubs(evidence, settings),
        reachability(evidence, settings),
        split_leaks(evidence),
        scored_notes_seen(evidence),
        forgetting(evidence, settings),
    ]


def main_metric(evidence: Evidence, settings: VerdictSettings) -> Outcome:
    """Holds: the interval of the paired difference is above zero. Broken: none of it is."""
    key, label = metric_key(settings.main_metric), METRIC_LABELS[settings.main_metric]
    change, before, after = (evidence.metric(model, key) for model in ("difference", "baseline", "tuned"))
    passed: bool | None = None
    found = (
        f"{label} goes from {before.value:.3f} to {after.value:.3f} on {change.n} held-out notes, by "
        f"{change.value:+.3f} [{change.ci_low:+.3f}, {change.ci_high:+.3f}] at {evidence.confidence:.0%} confidence"
    )
    if math.isnan(change.ci_low) or math.isnan(change.ci_high):
        clause = f"{label} on {change.n} held-out notes has no interval to judge by"
        reason = (
            f"{clause[:1].upper()}{clause[1:]}: its notes are too few, or near-duplicates of one another."
        )
    elif evidence.scored_groups < settings.smallest_test_groups:
        clause = (
            f"{evidence.scored_groups} independent held-out notes are too few, {settings.smallest_test_groups} are "
            "needed"
        )
        reason = f"{found}; but {clause}."
    elif before.value >= 1 - _TINY and change.ci_high <= _TINY and change.value >= -_TINY:
        clause = f"{label} of the baseline is 1 already, nothing can be above it"
        reason = f"{found}: {clause}."
    elif change.ci_low > 0:
        passed, clause, reason = True, "", f"{found}: the whole interval is above zero."
    elif change.ci_high <= 0:
        passed, clause = False, f"the whole interval of {label} is at or below zero"
        reason = f"{found}: {clause}."
    else:
        clause = f"the interval of {label} includes zero"
        reason = f"{found}: {clause}."
    return Outcome(
        "main_metric_is_better",
        "decides",
        passed,
        change.value,
        0.0,
        reason,
        "embedding_metrics",
        change.ci_low,
        change.ci_high,
        clause,
    )


def specialty_harm(evidence: Evidence, settings: VerdictSettings) -> Outcome:
    """Broken: at least one specialty fell by more than the tolerance, and not by chance."""
    key, label = metric_key(settings.main_metric), METRIC_LABELS[settings.main_metric]
    tested = [test for test in evidence.specialties if not math.isnan(test.p_adjusted)]
    limit = -settings.specialty_tolerance
    rule, table = "no_specialty_is_worse", "embedding_metrics"
    if not tested:
        clause = "no specialty has enough held-out notes to be tested"
        return Outcome(
            rule, "decides", None, math.nan, limit, f"{clause.capitalize()}.", table, clause=clause
        )
    worse = sorted(
        (test for test in tested if test.p_adjusted <= settings.significance),
        key=lambda test: (test.difference, test.specialty),
    )
    lowest = min(tested, key=lambda test: (test.difference, test.specialty))
    shown = worse[0] if worse else lowest
    figure = evidence.metric("difference", key, shown.specialty)
    how = f"than {limit:+.3f} {label} (Holm-corrected over {len(tested)}, level {settings.significance:g})"
    clause = ""
    if worse:
        # A specialty is named with its figure; beyond three the table has the rest.
        named = [
            f"{test.specialty} ({test.difference:+.3f}, p {test.p_adjusted:.2g}, {test.queries} notes)"
            for test in worse[:3]
        ]
        more = f" and {len(worse) - 3} more" if len(worse) > 3 else ""
        reason = f"Significantly worse {how}: {', '.join(named)}{more}."
        clause = f"significantly worse for {', '.join(named)}{more}"
    else:
        reason = (
            f"No specialty is significantly worse {how}; the lowest is {lowest.specialty} "
            f"({lowest.difference:+.3f}, p {lowest.p_adjusted:.2g}, {lowest.queries} notes)."
        )
    return Outcome(
        rule,
        "decides",
        not worse,
        shown.difference,
        limit,
        reason,
        table,
        figure.ci_low,
        figure.ci_high,
        clause,
    )


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
        return Outcome("detail_is_kept", "information", None, math.nan, limit, reason, "space_health")
    worst = min(found, key=lambda record: (record["share_kept"], record["method"]))
    share = float(worst["share_kept"])
    passed = share >= limit
    reason = (
        f"Of the mates by {worst['method'].replace('_', ' ')} that a note finds within its specialty beyond chance, "
        f"{share:.0%} are left (found: {worst['baseline']:.3f} before, {worst['tuned']:.3f} after, "
        f"{worst['random_order']:.3f} by chance); at least {limit:.0%} must be."
    )
    clause = "" if passed else f"detail within specialties is lost ({share:.0%} of it is left)"
    return Outcome("detail_is_kept", "decides", passed, share, limit, reason, "space_health", clause=clause)


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
        reason = "Undefined: space_health has no such figure for both models, there are too few notes."
        return Outcome(rule, "decides", None, share, limit, reason, "space_health", clause=clause)
    passed = share >= limit
    reason = f"{found} is {share:.0%} of the baseline's; at least {limit:.0%} must be kept."
    clause = "" if passed else f"{alarm} ({share:.1%} of the baseline's is left)"
    return Outcome(rule, "decides", passed, share, limit, reason, "space_health", clause=clause)


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
            "space_health",
            clause=f"{what[:1].lower()}{what[1:]} is undefined",
        )
    passed = after <= limit or after <= before
    shown = [number.format(value) for value in (before, after, limit)]
    reason = f"{what} goes from {shown[0]} to {shown[1]}; the alarm is above {shown[2]}"
    reason += ", and it did not grow." if after > limit and after <= before else "."
    clause = "" if passed else alarm.format(after)
    return Outcome(rule, "decides", passed, after, limit, reason, "space_health", clause=clause)


def split_leaks(evidence: Evidence) -> Outcome:
    """Broken: anything lies in two splits."""
    total = sum(evidence.crossings.values())
    found = "; ".join(
        f"{count} {what.replace('_', ' ')}" for what, count in evidence.crossings.items() if count
    )
    clause = f"the splits leak ({found})" if total else ""
    clean = "no text, near-duplicate of a text or duplicate group lies in two splits, and every note in one"
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
        clause = f"{share:.1%} of what the leak meter scored was trained on"
        reason = f"{clause[:1].upper()}{clause[1:]} by {about}, in a split that must not leak."
    else:
        clause = ""
        reason = (
            f"None of the {evidence.scored_notes} scored notes, and no near-duplicate of one, was trained on by "
            f"{about}."
        )
    return Outcome(
        "scored_notes_are_unseen",
        "decides",
        not total and share <= 0,
        float(total),
        0.0,
        reason,
        # The leak meter goes by duplicate groups: of what was found anew from the texts, it may show nothing.
        "note_splits" if total else "leak_meter",
        clause=clause,
    )


def forgetting(evidence: Evidence, settings: VerdictSettings) -> Outcome:
    """Broken: over all general sentence pairs the tuned model lost too much; no rule where not measured.

    All sets together, for one set alone is small; the reason names the set that lost most.
    """
    limit = settings.largest_forgetting
    sets = {
        name: figure
        for name, figure in evidence.health_figures("general_pairs").items()
        if not math.isnan(figure.baseline - figure.tuned)
    }
    rule = "general_language_is_kept"
    if not sets:
        reason = (
            "Not measured: space_health holds no figures on general sentence pairs ([health] forgetting)."
        )
        return Outcome(rule, "information", None, math.nan, limit, reason, "space_health")
    total = sum(max(1, figure.n) for figure in sets.values())
    before, after = (
        sum(max(1, figure.n) * value(figure) for figure in sets.values()) / total
        for value in (lambda figure: figure.baseline, lambda figure: figure.tuned)
    )
    name = min(sets, key=lambda name: (sets[name].tuned - sets[name].baseline, name))
    passed = before - after <= limit + _TINY
    what = name.replace("_", " ") or "one set"
    reason = (
        f"On {total} general sentence pairs {before:.3f} goes to {after:.3f}, a loss of {before - after:+.3f}; up to "
        f"{limit:.3f} is no alarm. The set {what} does worst: {sets[name].baseline:.3f} to {sets[name].tuned:.3f}."
    )
    clause = "" if passed else f"general language is forgotten ({before - after:.3f} lost, most on {what})"
    return Outcome(rule, "decides", passed, before - after, limit, reason, "space_health", clause=clause)
