"""Controls for calibration, never cases: weights kept at half the levels that a quantization keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fluxgate.strategies.promise import Promise, Site, strategy

# Every other of NF4's sixteen levels, with the zero kept.
EIGHT_LEVELS = (
    -1.0,
    -0.5250730514526367,
    -0.28444138169288635,
    0.0,
    0.16093020141124725,
    0.33791524171829224,
    0.5626170039176941,
    1.0,
)
BLOCK = 64
SMALLEST_E4M3 = 2.0**-6  # the smallest normal number


@strategy(Promise(approximates="full"))
def coarse_four_bit(site: Site) -> Any:
    """Eight levels instead of NF4's sixteen, in blocks of 64."""
    return _rounded(site, _to_eight_levels)


@strategy(Promise(approximates="full"))
def coarse_eight_bit(site: Site) -> Any:
    """127 levels a row instead of 255."""
    return _rounded(site, _to_seven_bits)


@strategy(Promise(approximates="full"))
def coarse_float8(site: Site) -> Any:
    """Two bits of mantissa instead of e4m3's three."""
    return _rounded(site, _to_two_mantissa_bits)


CONTROLS = {control.name: control for control in (coarse_four_bit, coarse_eight_bit, coarse_float8)}


def _rounded(site: Site, rounded: Callable[[Any], Any]) -> Any:
    """The pipeline in full, with every linear weight of its large components rounded."""
    import torch

    pipe = site.pipeline()
    with torch.no_grad():
        for name in site.subject.large:
            for module in getattr(pipe, name).modules():
                if isinstance(module, torch.nn.Linear):
                    module.weight.copy_(rounded(module.weight.float()))
    return pipe.to(site.device)


def _to_eight_levels(weight: Any) -> Any:
    import torch

    levels = torch.tensor(EIGHT_LEVELS, device=weight.device)
    blocks = weight.reshape(-1, BLOCK) if weight.numel() % BLOCK == 0 else weight
    scale = blocks.abs().amax(dim=1, keepdim=True).clamp_min(1e-12)
    middles = (levels[1:] + levels[:-1]) / 2
    return (levels[torch.bucketize(blocks / scale, middles)] * scale).reshape(weight.shape)


def _to_seven_bits(weight: Any) -> Any:
    scale = weight.abs().amax(dim=1, keepdim=True).clamp_min(1e-12) / 63
    return (weight / scale).round() * scale


def _to_two_mantissa_bits(weight: Any) -> Any:
    import torch

    mantissa, exponent = torch.frexp(weight)
    rounded = torch.ldexp((mantissa * 8).round() / 8, exponent)
    grain = SMALLEST_E4M3 / 4
    return torch.where(weight.abs() < SMALLEST_E4M3, (weight / grain).round() * grain, rounded).clamp(-448, 448)
