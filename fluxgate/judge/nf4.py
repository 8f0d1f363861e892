"""bitsandbytes' NF4 against the QLoRA paper (https://arxiv.org/abs/2305.14314): its codebook and block rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fluxgate import quantizers
from fluxgate.judge.sentences import listed
from fluxgate.judge.verdict import CRASHED, FAILED, NF4, NO_DATA, PASSED, UNSUPPORTED, Verdict
from fluxgate.machine import Stack
from fluxgate.render.nf4 import Nf4Facts

PACKAGE = "bitsandbytes"
CODE_NEAR = 1e-7
NEAREST = 1e-6
# Kernels round to bfloat16, by up to 2^-9 each time, at other places than the plain product: the codebook's value, its
# block's scale, the weight of the two, sums of a few terms, the result. With 100 vectors, such kernels (simulated) are
# off by 0.3% (the result alone) to 0.8% (all of it, sums of 16 terms); twice that is allowed. A scale that is off by 5%
# shows as 2.5%. With only five vectors a row's products may nearly cancel, and rounding alone then shows as 1.8%.
ROUNDING = 2**-6
DOUBLE_SCALES = 0.01  # of the largest scale


def unmeasured(device: str, stack: Stack) -> Verdict | None:
    """The verdict where there is nothing to measure; None where there is."""
    if PACKAGE in stack:
        return None
    return _verdict(device, UNSUPPORTED, f"{PACKAGE} is not installed")


def verdict_on(facts: Nf4Facts) -> Verdict:
    """The first rule that is not kept, with the version that does not keep it."""
    status, sentence = _answer(facts)
    version = f"{PACKAGE} {facts.version}" if facts.version else PACKAGE
    return _verdict(facts.device, status, f"{version}, on {_place(facts.device)}: {sentence}.", _numbers(facts))


def _answer(facts: Nf4Facts) -> tuple[str, str]:
    for objection in _objections(facts):
        return FAILED, objection
    if facts.crash is not None:
        return CRASHED, facts.crash.rstrip(".")
    missing = _missing(facts)
    if missing:
        return NO_DATA, f"{listed(missing)} were not measured; render again"
    return PASSED, "it quantizes NF4 as published"


def _objections(facts: Nf4Facts) -> Iterator[str]:
    """In words, in the order in which weights go through the rules; what was not measured is not objected to."""
    if facts.code and _far(facts.code):
        yield f"its codebook is not the paper's: {_far(facts.code)}"
    if facts.scale_error:  # NaN too, here and below
        yield f"a block's scale is {facts.scale_error:.3g} from its largest absolute value; they should be equal"
    if facts.code_error is not None and not facts.code_error <= NEAREST:
        yield f"a weight has a code that is {facts.code_error:.3g} further from it than the nearest"
    if facts.value_error:
        yield f"a weight comes back {facts.value_error:.3g} from its code's value times its scale; they should be equal"
    for together, error in facts.product_errors.items():
        if not error < ROUNDING:
            off = f"a row's products are off by {error:.2%}"
            yield f"with {together} vectors at a time, {off}; rounding explains {ROUNDING:.2%}"
    for together, error in facts.wrong_scale_errors.items():
        if not error > ROUNDING:
            yield f"with {together} vectors at a time, a scale that is wrong by 5% shows as {error:.2%} only"
    if facts.double_codes_moved:
        yield f"double quantization changes {facts.double_codes_moved} codes; it should change none"
    if facts.double_scale_error is not None and not facts.double_scale_error < DOUBLE_SCALES:
        yield f"double quantization moves a scale by {facts.double_scale_error:.2%} of the largest"


def _missing(facts: Nf4Facts) -> list[str]:
    """What was not measured, although nothing went wrong: a file that another version wrote, or part of one."""
    measured = {
        "the codebook": facts.code or None,
        "its scales": facts.scale_error,
        "its codes": facts.code_error,
        "the weights taken back": facts.value_error,
        "its products": facts.product_errors or None,
        "products with a wrong scale": facts.wrong_scale_errors or None,
        "the codes of double quantization": facts.double_codes_moved,
        "the scales of double quantization": facts.double_scale_error,
    }
    return [name for name, value in measured.items() if value is None]


def _numbers(facts: Nf4Facts) -> dict[str, float]:
    """The largest error of each rule, as far as it was measured."""
    errors = {
        "scale error": facts.scale_error,
        "code error": facts.code_error,
        "value error": facts.value_error,
        "product error": max(facts.product_errors.values(), default=None),
        "double scale error": facts.double_scale_error,
    }
    return {name: error for name, error in errors.items() if error is not None}


def _far(code: tuple[float, ...]) -> str | None:
    if len(code) != len(quantizers.NF4):
        return f"it has {len(code)} values, and {len(quantizers.NF4)} are due"
    for place, (value, due) in enumerate(zip(code, quantizers.NF4, strict=True)):
        if not abs(value - due) <= CODE_NEAR:
            return f"value {place + 1} is {value:.6f}, and {due:.6f} is due"
    return None


def _place(device: str) -> str:
    return "the GPU" if device == "cuda" else "the CPU"


def _verdict(device: str, status: str, sentence: str, numbers: Mapping[str, float] | None = None) -> Verdict:
    return Verdict(PACKAGE, f"nf4-{device}", NF4, status, sentence, dict(numbers or {}))
