"""The calls in which each stage is run from what is given: what they ask for, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fluxgate.miniature.oracle.flux import Call
from fluxgate.rendering import SEEDED, SEVERAL, WHOLE

PROMPT = "Two orange foxes in a forest by day."
OTHER_PROMPT = "A red balloon above a house by the sea at night."
# Longer than CLIP's 77 tokens and T5's 64: what is too long is cut off, and what ends a prompt stays.
LONG_PROMPT = " ".join([PROMPT, OTHER_PROMPT, "Three red mushrooms by a lake by day."] * 4)
GUIDANCE, TOKENS = 4.0, 64
FEW = 16  # tokens that the denoiser is given in later calls, whatever they ask for: that is quicker
# What FLUX.1's authors chose for calls that do not say, as diffusers has had it since 0.32.
DEFAULT_GUIDANCE, DEFAULT_TOKENS = 3.5, 512


@dataclass(frozen=True)
class GivenCall:
    """One call of the pipeline."""

    name: str  # that the names of its stages end with; the first has none
    prompts: tuple[str, ...]
    size: tuple[int, int]  # of its pictures, in pixels: height and width
    steps: Mapping[int, float]  # by step, the noise level that the denoiser is given
    pictures: int = 1  # of each prompt
    guidance: float = GUIDANCE  # that is asked for; the denoiser is given the usual one, whatever it is asked for
    says_all: bool = True  # False: guidance and the prompt's length are left to the pipeline
    sigmas: tuple[float, ...] | None = None
    seeds: tuple[int, ...] = (0,)  # of one generator for all pictures, or of one for each
    # Edge in pixels of a tile, where the decoder is told to decode in tiles; None: one is enough.
    tile: int | None = None
    whole: bool = False  # each step starts from what the one before it gave, and none from what is given

    @property
    def count(self) -> int:
        """Of its pictures."""
        return len(self.prompts) * self.pictures

    @property
    def tile_edge(self) -> int:
        return self.tile or max(self.size)

    @property
    def asked(self) -> tuple[Call, ...]:
        """The same for our own implementation, a call for each picture, in their order."""
        guidance, tokens = (self.guidance, TOKENS) if self.says_all else (DEFAULT_GUIDANCE, DEFAULT_TOKENS)
        one = (*self.size, len(self.steps), guidance, tokens, self.sigmas)
        return tuple(Call(prompt, *one) for prompt in self.prompts for _ in range(self.pictures))

    def arguments(self) -> dict[str, object]:
        """Those of the pipeline's call, but for its generators."""
        asked = self.asked[0]
        said = {"guidance_scale": asked.guidance, "max_sequence_length": asked.tokens} if self.says_all else {}
        levels = {"num_inference_steps": asked.steps} if self.sigmas is None else {"sigmas": list(self.sigmas)}
        prompt: object = self.prompts[0] if self.count == 1 else list(self.prompts)
        several = {"num_images_per_prompt": self.pictures} if self.pictures > 1 else {}
        return {"prompt": prompt, "height": self.size[0], "width": self.size[1], **levels, **said, **several}


# A level is a share of 1000 that bfloat16 holds exactly, as it holds 1000 times it: so each dtype is given the same.
ONE = GivenCall("", (PROMPT,), (128, 128), {1: 1.0, 2: 0.5})
CALLS = (
    ONE,
    GivenCall(
        SEVERAL,
        (PROMPT, OTHER_PROMPT),
        (64, 64),
        {1: 1.0, 2: 0.5, 3: 0.25},
        pictures=2,
        says_all=False,
        sigmas=(1.0, 0.8, 0.3),
        tile=32,
    ),
    # With more guidance than models are usually asked for.
    GivenCall(SEEDED, (OTHER_PROMPT, PROMPT), (32, 32), {1: 1.0}, guidance=8.0, seeds=(5, 6)),
    # As wide as shots are, and with as many steps; of the first call's patches, in other places.
    GivenCall(
        WHOLE, (LONG_PROMPT,), (32, 512), dict(enumerate([1.0] * 6 + [0.5] * 6 + [0.25] * 4, start=1)), whole=True
    ),
)


MOST_WEIGHTS = 1 << 30  # bytes; with more, a call of many steps takes minutes where each layer comes from the host


def calls_of(weights: int) -> tuple[GivenCall, ...]:
    """The calls that are made of a pipeline with weights of so many bytes."""
    return tuple(call for call in CALLS if not call.whole or weights <= MOST_WEIGHTS)


def call_named(name: str) -> GivenCall:
    return next(call for call in CALLS if call.name == name)
