"""The tables that tell limits and their margins to a person, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from fluxgate.baselines.limits import Band
from fluxgate.calibration.floors import SIDES, Finding, Margin

HEAD = (
    "| control | n | rejected | by | legal at worst | limit | control at best |\n"
    "| --- | --- | --- | --- | --- | --- | --- |"
)


def page(findings: Iterable[Finding], *, heading: str) -> str:
    """One section a strategy: what is legal, which limits follow, and how far each control is from them."""
    return "\n\n".join([heading, *map(section, findings)]) + "\n"


def section(finding: Finding) -> str:
    title = f"### {finding.subject}: `{finding.strategy}` to `{finding.reference}`, {finding.n} pictures"
    rows = "\n".join(map(_row, finding.margins))
    left = ", ".join(finding.limits.unseparated)
    closing = f"Not told apart from legal pictures: {left}." if left else "Every control is rejected."
    return f"{title}\n\n{_measures(finding)}\n\n{HEAD}\n{rows}\n\n{closing}"


def _measures(finding: Finding) -> str:
    """Each measure's mean, spread and limits."""
    lines = [
        "| measure | mean | spread | limit, each picture | limit, mean of a case |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in dict.fromkeys(side.measure for side in SIDES):
        mean, spread = finding.legal[name]
        single, overall = (bands.get(name) for bands in (finding.limits.likeness, finding.limits.overall))
        lines.append(f"| {name} | {_number(mean)} | {_number(spread)} | {_limit(single)} | {_limit(overall)} |")
    return "\n".join(lines)


def _row(margin: Margin) -> str:
    if not margin.n:
        return f"| {margin.control} | 0 | – | could not be rendered | | | |"
    by = f"{margin.measure}{', mean of a case' if margin.overall else ''}"
    rejected = "yes" if margin.rejected else f"**no** ({margin.share:.0%} of its pictures)"
    values = " | ".join(
        "" if value is None else _number(value) for value in (margin.legal, margin.limit, margin.nearest)
    )
    return f"| {margin.control} | {margin.n} | {rejected} | {by} | {values} |"


def _limit(band: Band | None) -> str:
    if band is None:
        return "–"
    edges = [(band.floor, "≥"), (band.ceiling, "≤")]
    return " and ".join(f"{sign} {_number(limit.value)}" for limit, sign in edges if limit)


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.2f}"
