"""Answers: for each status that a check can give, a verdict on the case that its evidence is about."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from math import isfinite
from typing import TypedDict, Unpack

from fluxgate.judge.evidence import Evidence
from fluxgate.judge.verdict import CRASHED, FAILED, NO_DATA, NOT_SELECTED, PASSED, UNSUPPORTED, Limit, Verdict


class Proof(TypedDict, total=False):
    """What a verdict rests on, beside its sentence."""

    numbers: Mapping[str, float]  # NaN and infinity, which JSON does not have, are left to the sentence
    limit: Limit | None
    pictures: Mapping[str, str]  # "expected", "actual", "difference" -> path within the run
    stage: str | None
    suspects: str | None


def _answer(status: str, evidence: Evidence, check: str, sentence: str, **proof: Unpack[Proof]) -> Verdict:
    return Verdict(
        subject=evidence.case.subject.name,
        strategy=evidence.case.strategy.name,
        check=check,
        status=status,
        sentence=sentence,
        numbers={name: number for name, number in proof.get("numbers", {}).items() if isfinite(number)},
        limit=proof.get("limit"),
        pictures=dict(proof.get("pictures", {})),
        stage=proof.get("stage"),
        suspects=proof.get("suspects"),
    )


passed = partial(_answer, PASSED)
failed = partial(_answer, FAILED)
crashed = partial(_answer, CRASHED)
unsupported = partial(_answer, UNSUPPORTED)
no_data = partial(_answer, NO_DATA)
not_selected = partial(_answer, NOT_SELECTED)
