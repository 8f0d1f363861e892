"""Who is suspected of what an inventory shows."""

from __future__ import annotations

import pytest

from fluxgate.judge.suspects import most_likely, of_effects, suspected_in
from fluxgate.strategies.effects import Counted, Hooked, Layers, Placed, Setting, Stored
from fluxgate.strategies.promise import Effect
from tests.judge.made import SUBJECT


@pytest.mark.parametrize(
    ("effect", "component", "who"),
    [
        (Hooked("AlignDevicesHook"), "transformer", "accelerate"),
        (Hooked("CpuOffload"), "transformer", "diffusers or accelerate"),
        (Hooked("GroupOffloadingHook"), "transformer", "diffusers"),
        (Placed("meta"), "transformer", "diffusers or accelerate"),
        (Layers("Linear4bit"), "text_encoder_2", "bitsandbytes or transformers"),
        (Setting("quant_type", "nf4"), "transformer", "bitsandbytes or diffusers"),
        (Setting("group_stream", "on"), "transformer", "diffusers"),
        (Stored("bfloat16"), "text_encoder_2", "transformers"),
        (Stored("float8_e4m3fn"), "transformer", "diffusers"),
        (Counted("tiles decoded"), "tiles decoded", "diffusers"),
    ],
)
def test_an_effect_that_is_missing_names_who_makes_it(effect: Effect, component: str, who: str) -> None:
    """Hooks are accelerate's or diffusers', quantized layers bitsandbytes', weights those of whoever loads them."""
    assert of_effects([(effect, f"{component}: it is not there")], SUBJECT) == f"Most likely {who}."


def test_each_suspect_is_named_once() -> None:
    """Several missing effects may have one maker."""
    assert most_likely(["diffusers", "accelerate", "diffusers"]) == "Most likely diffusers or accelerate."


@pytest.mark.parametrize(
    ("sentence", "who"),
    [
        (f"It is not there. {most_likely(['diffusers', 'accelerate'])} Run pytest.", "diffusers or accelerate"),
        ("It first differs at the decoded picture: most likely diffusers' VAE or torch.", "diffusers' VAE or torch"),
        ("It took 1.2 GB.", None),
        ("", None),
    ],
)
def test_a_sentence_tells_whom_it_suspects(sentence: str, who: str | None) -> None:
    """Wherever it says so."""
    assert suspected_in(sentence) == who
