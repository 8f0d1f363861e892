"""Faults in the noise that pictures start from."""

from __future__ import annotations

from functools import partial
from typing import Any

from fluxgate.prove.fault import BATCH, Around, Edit, Fault, Fired
from fluxgate.prove.targets import DIFFUSERS, PIPELINE
from fluxgate.rendering import FIRST

RANDOM = "diffusers.pipelines.flux.pipeline_flux:randn_tensor"
PREPARE = f"{PIPELINE}.prepare_latents"
ONE = "latents = torch.randn(shape, generator=generator, device=rand_device, dtype=dtype, layout=layout).to(device)"
DRAWN = "latents = randn_tensor(shape, generator=generator, device=device, dtype=dtype)"


def _with_the_first_generator(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if isinstance(kwargs.get("generator"), list):
        kwargs["generator"] = fired(kwargs["generator"])[0]
    return original(*args, **kwargs)


_fault = partial(Fault, packages=DIFFUSERS, stage=FIRST)

FAULTS = (
    _fault(
        "noise-unseeded",
        "the generator that was given is not used",
        Edit(RANDOM, ONE, ONE.replace("generator=generator", "generator=FIRED(None)")),
        "diffusers: generators lost between a pipeline and its scheduler",
        later=True,
    ),
    _fault(
        "noise-shared",
        "all pictures of a batch start from the noise of the first",
        Edit(RANDOM, ONE, f"{ONE}\nlatents = FIRED(latents[:1]).expand(shape).clone()"),
        "a seed reused for each picture of a batch",
        shots=BATCH,
    ),
    _fault(
        "noise-float16",
        "noise is drawn in float16 and rounded once more",
        Edit(
            RANDOM, ONE, ONE.replace("dtype=dtype", "dtype=FIRED(torch.float16)").replace("(device)", "(device, dtype)")
        ),
        "torch 2.11 against 2.13: other bfloat16 noise from one seed",
    ),
    _fault(
        "noise-drawn-twice",
        "a number is drawn and thrown away before the noise",
        Edit(PREPARE, DRAWN, f"randn_tensor((1, 16), generator=FIRED(generator))\n{DRAWN}"),
        "a second draw added to prepare_latents",
    ),
    _fault(
        "noise-scaled",
        "the noise is scaled as for another scheduler",
        Edit(PREPARE, DRAWN, f"{DRAWN} * FIRED(0.98)"),
        "init_noise_sigma of schedulers",
    ),
    _fault(
        "noise-packed-otherwise",
        "the two axes within a patch of latents are exchanged when it is packed",
        Edit(
            f"{PIPELINE}._pack_latents",
            "latents.permute(0, 2, 4, 1, 3, 5)",
            "FIRED(latents).permute(0, 2, 4, 1, 5, 3)",
        ),
        "einops written out as view and permute",
    ),
    _fault(
        "noise-order",
        "the noise of a batch is drawn one picture after another, the last one first",
        Edit(RANDOM, ONE, f"{ONE}\nlatents = FIRED(latents).flip(0)"),
        "lists of generators against one generator",
        shots=BATCH,
    ),
    _fault(
        "first-generator-for-all",
        "of several generators only the first one is used",
        Around(RANDOM, _with_the_first_generator),
        "lists of generators",
        stage=None,
    ),
)
