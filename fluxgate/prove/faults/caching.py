"""Faults in what denoising uses again of earlier steps."""

from __future__ import annotations

from functools import partial
from typing import Any

from fluxgate.prove.fault import Around, Edit, Fault, Fired, not_called
from fluxgate.prove.targets import DIFFUSERS

FIRST_BLOCK, TAYLOR, PYRAMID = ("first-block-cache",), ("taylorseer-cache",), ("pyramid-attention-broadcast",)
HOOKS = "diffusers.hooks"
HEAD = f"{HOOKS}.first_block_cache:FBCHeadBlockHook.new_forward"
RESIDUAL = "shared_state.head_block_residual = hidden_states_residual"
SEER = f"{HOOKS}.taylorseer_cache"
BROADCAST = f"{HOOKS}.pyramid_attention_broadcast:PyramidAttentionBroadcastHook.new_forward"


def _threshold(factor: float) -> Around:
    """The first block's change is held to another threshold than the one that was asked for."""

    def change(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        block, manager, threshold = args
        return original(block, manager, fired(threshold * factor))

    return Around(f"{HOOKS}.first_block_cache:_apply_fbc_head_block_hook", change)


_fault = partial(Fault, packages=DIFFUSERS, strategies=FIRST_BLOCK)

FAULTS = (
    _fault(
        "cache-kept-between-calls",
        "what a call has cached answers the next one",
        not_called("diffusers.models.cache_utils:CacheMixin._reset_stateful_cache"),
        "diffusers #11180: caches that nobody resets",
        later=True,
    ),
    _fault(
        "cache-threshold-lost",
        "the threshold of a cache is zero, so that nothing is used again",
        _threshold(0.0),
        "a setting that is not passed on",
    ),
    _fault(
        "cache-threshold-doubled",
        "twice the change that was asked for counts as none",
        _threshold(2.0),
        "a mean in place of a sum",
    ),
    _fault(
        "cache-adds-half",
        "half of what the left out blocks would have added is added",
        Edit(
            HEAD,
            "shared_state.tail_block_residuals[0] + output[",
            "FIRED(0.5) * shared_state.tail_block_residuals[0] + output[",
        ),
        "two residuals of a block",
    ),
    _fault(
        "cache-compares-with-the-first-step",
        "each step is compared with the first one, not with the last that was computed",
        Edit(
            HEAD,
            RESIDUAL,
            f"if FIRED(shared_state.head_block_residual) is None:\n    {RESIDUAL}",
        ),
        "a state that is written once",
    ),
    _fault(
        "foretold-without-slope",
        "what is foretold is what was there before",
        Edit(
            f"{SEER}:TaylorSeerState.predict",
            "coeff = (step_offset**order) / math.factorial(order)",
            "coeff = float(FIRED(order) == 0)",
        ),
        "max_order that is not passed on",
        strategies=TAYLOR,
    ),
    _fault(
        "foretold-from-the-first-step",
        "foretelling begins at the second step",
        Edit(
            f"{SEER}:TaylorSeerCacheHook._measure_should_compute",
            "is_warmup_phase = current_step < self.disable_cache_before_step",
            "is_warmup_phase = current_step < FIRED(1)",
        ),
        "disable_cache_before_step and its off-by-one",
        strategies=TAYLOR,
        equivalent="It decides the second step alone, which the interval has computed anyway: (1 - 2 - 1) % 2 is 0.",
    ),
    _fault(
        "foretold-from-the-call-before",
        "what one call has seen is foretold from in the next one",
        not_called("diffusers.models.cache_utils:CacheMixin._reset_stateful_cache"),
        "states that nobody resets",
        strategies=TAYLOR,
        later=True,
    ),
    _fault(
        "attention-used-again-at-any-time",
        "attention is used again in the first and the last steps, too",
        Edit(BROADCAST, "or not is_within_timestep_range", "or not FIRED(True)"),
        "timesteps from 0 to 1 and from 0 to 1000",
        strategies=PYRAMID,
    ),
    _fault(
        "attention-never-used-again",
        "attention is computed in each step although a cache is on",
        Edit(BROADCAST, "or self.state.iteration % self.block_skip_range == 0", "or FIRED(True)"),
        "names of attentions that no pattern knows",
        strategies=PYRAMID,
    ),
)
