"""The report as JSON, for programs: every verdict with its evidence, and each case's figures."""

from __future__ import annotations

import msgspec

from fluxgate.report.report import Report


def as_json(report: Report) -> bytes:
    """The report as JSON that a person can read; a number that is not finite becomes null."""
    return msgspec.json.format(msgspec.json.encode(report, order="sorted"), indent=2) + b"\n"
