"""Tests of the rules for NF4: the paper's codebook, and what each number that was measured must be."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist
from typing import Any

import pytest

from fluxgate import quantizers
from fluxgate.judge.nf4 import DOUBLE_SCALES, NEAREST, ROUNDING, unmeasured, verdict_on
from fluxgate.judge.verdict import CRASHED, FAILED, NF4, NO_DATA, PASSED, UNSUPPORTED
from fluxgate.render.nf4 import Nf4Facts
from tests.wording import unsaid

SOUND = Nf4Facts(
    device="cpu",
    version="0.50.2",
    code=quantizers.NF4,
    scale_error=0.0,
    code_error=0.0,
    value_error=0.0,
    product_errors={"1": 0.002, "100": 0.002},
    wrong_scale_errors={"1": 0.025, "100": 0.025},
    double_codes_moved=0,
    double_scale_error=0.006,
)


def computed_codebook() -> tuple[float, ...]:
    """Quantiles of the normal distribution, scaled to one: seven below an exact zero and eight above."""
    edge = (1 - 1 / 32 + 1 - 1 / 30) / 2  # half an interval from the end, of sixteen and of fifteen intervals
    normal = NormalDist()
    below, above = ([normal.inv_cdf(edge + (0.5 - edge) * place / count) for place in range(count)] for count in (7, 8))
    values = sorted([*(-value for value in below), 0.0, *above])
    return tuple(value / max(above) for value in values)


def test_the_codebook_is_computed_as_published() -> None:
    """From the normal distribution, the sixteen values are those that the paper prints."""
    assert computed_codebook() == pytest.approx(quantizers.NF4, abs=2e-6)


def test_what_keeps_the_rules_passes() -> None:
    """One verdict for a library, not for a case."""
    verdict = verdict_on(SOUND)
    assert (verdict.case_id, verdict.check, verdict.status) == ("bitsandbytes-nf4-cpu", NF4, PASSED)


@pytest.mark.parametrize(
    "changes",
    [
        {"code": (*quantizers.NF4[:3], -0.3949, *quantizers.NF4[4:])},
        {"code": quantizers.NF4[:8]},
        {"code": (float("nan"), *quantizers.NF4[1:])},
        {"scale_error": 1e-6},
        {"code_error": 0.01},
        {"code_error": float("nan")},
        {"value_error": 0.001},
        {"product_errors": {"1": 0.02}},
        {"product_errors": {"1": float("nan")}},
        {"wrong_scale_errors": {"100": 0.01}},
        {"double_codes_moved": 3},
        {"double_scale_error": 0.02},
    ],
    ids=str,
)
def test_each_rule_that_is_broken_fails(changes: dict[str, Any]) -> None:
    """The sentence names the version that breaks it."""
    verdict = verdict_on(replace(SOUND, **changes))
    assert (verdict.status, "bitsandbytes 0.50.2" in verdict.sentence) == (FAILED, True)


def test_a_library_that_crashes_says_so() -> None:
    """Whatever it had measured until then; a number that is wrong comes first."""
    crashed = Nf4Facts("cpu", version="0.48.2", crash="RuntimeError: no kernel")
    verdict = verdict_on(crashed)
    assert (verdict.status, "no kernel" in verdict.sentence, "0.48.2" in verdict.sentence) == (CRASHED, True, True)
    assert verdict_on(replace(crashed, scale_error=1.0)).status == FAILED


def test_a_library_that_is_not_there_is_one_reason() -> None:
    """One verdict, and no traceback."""
    verdict = unmeasured("cpu", {"diffusers": "0.42.1"})
    assert verdict is not None
    assert verdict.status == UNSUPPORTED
    assert unmeasured("cpu", {"bitsandbytes": "0.50.2"}) is None


@pytest.mark.parametrize("name", ["code", "scale_error", "product_errors", "double_codes_moved"])
def test_a_rule_that_nothing_was_measured_of_does_not_pass(name: str) -> None:
    """Where the process said nothing of it and did not crash either, it is not known."""
    empty = getattr(Nf4Facts("cpu"), name)
    assert verdict_on(replace(SOUND, **{name: empty})).status == NO_DATA


def test_a_verdict_has_the_errors_as_numbers() -> None:
    """Of the rules that were measured."""
    assert verdict_on(SOUND).numbers["product error"] == 0.002
    assert "product error" not in verdict_on(Nf4Facts("cpu", crash="ImportError: no such library")).numbers


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"code": (*quantizers.NF4[:-1], 1.0 + 5e-8)}, PASSED),
        ({"code": (*quantizers.NF4[:-1], 1.0 + 2e-7)}, FAILED),
        ({"code_error": NEAREST}, PASSED),
        ({"code_error": 1.01 * NEAREST}, FAILED),
        ({"product_errors": {"1": ROUNDING}}, FAILED),
        ({"product_errors": {"1": 0.99 * ROUNDING}}, PASSED),
        ({"wrong_scale_errors": {"1": ROUNDING}}, FAILED),
        ({"wrong_scale_errors": {"1": 1.01 * ROUNDING}}, PASSED),
        ({"double_scale_error": DOUBLE_SCALES}, FAILED),
        ({"double_scale_error": 0.99 * DOUBLE_SCALES}, PASSED),
    ],
    ids=str,
)
def test_each_rule_is_held_to_its_edge(changes: dict[str, Any], status: str) -> None:
    """A value on it, and one beside."""
    assert verdict_on(replace(SOUND, **changes)).status == status


def test_a_value_that_is_far_is_counted_from_one() -> None:
    """The fourth of sixteen, on the device that it was measured on."""
    far: dict[str, Any] = {"code": (*quantizers.NF4[:3], -0.3, *quantizers.NF4[4:])}
    for device, place in (("cuda", "on the GPU:"), ("cpu", "on the CPU:")):
        verdict = verdict_on(replace(SOUND, device=device, **far))
        assert not unsaid(verdict.sentence, "value 4 is -0.300000", "-0.394917")
        assert (verdict.case_id, place in verdict.sentence) == (f"bitsandbytes-nf4-{device}", True)


def test_what_is_not_installed_is_named_by_its_device() -> None:
    """And a version that nobody knows is left out."""
    verdict = unmeasured("cuda", {})
    assert verdict is not None
    assert (verdict.case_id, "bitsandbytes is not installed" in verdict.sentence) == ("bitsandbytes-nf4-cuda", True)
    assert verdict_on(replace(SOUND, version="")).sentence.startswith("bitsandbytes, on the CPU")
