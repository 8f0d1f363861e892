"""Faults that do more than is asked: the pictures are right, and come later."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from fluxgate.prove.fault import Around, Edit, Fault, Fired
from fluxgate.prove.targets import (
    CALL,
    DIFFUSERS,
    FORWARD,
    GROUPS,
    IMAGE_PROCESSOR,
    PIPELINE,
    SCHEDULER,
    STEP_LINE,
    TRANSFORMER,
)
from fluxgate.rendering import DECODED


def _twice(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    original(*args, **kwargs)
    return original(*fired(args), **kwargs)


def _sleeping(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    time.sleep(fired(0.05))
    return original(*args, **kwargs)


def _copied(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A copy of all weights in each call of the transformer."""
    for tensor in args[0].parameters():
        fired(tensor.data).clone()
    return original(*args, **kwargs)


def _checked(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Each call of the transformer looks whether its weights are finite."""
    fired([tensor.isfinite().all() for tensor in args[0].parameters()])
    return original(*args, **kwargs)


def _slower(share: float) -> Callable[..., Any]:
    """A call that works on for so much of the time that it took, at nothing that torch sees."""

    def change(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        started = time.perf_counter()
        returned = original(*args, **kwargs)
        until = time.perf_counter() + fired(share) * (time.perf_counter() - started)
        while time.perf_counter() < until:
            pass
        return returned

    return change


def _moved_twice(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A group comes, goes back and comes again."""
    original(*args, **kwargs)
    for module in fired(args[0]).modules:
        for tensor in (*module.parameters(), *module.buffers()):
            tensor.data = tensor.data.cpu()
    return original(*args, **kwargs)


_fault = partial(Fault, packages=DIFFUSERS)

FAULTS = (
    _fault(
        "t5-encodes-twice",
        "T5 encodes each prompt twice",
        Edit(
            f"{PIPELINE}._get_t5_prompt_embeds",
            "prompt_embeds = self.text_encoder_2(",
            "self.text_encoder_2(FIRED(text_input_ids).to(model_device))\nprompt_embeds = self.text_encoder_2(",
        ),
        "a second pass for hidden states",
    ),
    _fault(
        "prompt-encoded-twice",
        "the pipeline encodes its prompt twice",
        Around(f"{PIPELINE}.encode_prompt", _twice),
        "a prompt that is encoded for each stage",
    ),
    _fault(
        "denoiser-called-twice",
        "the transformer is called twice in each step",
        Around(FORWARD, _twice),
        "guidance that takes a call of its own",
    ),
    _fault(
        "block-computed-twice",
        "each single block is computed twice",
        Around(f"{TRANSFORMER}:FluxSingleTransformerBlock.forward", _twice),
        "checkpointing that is on by default",
    ),
    _fault(
        "positions-computed-twice",
        "positions are computed twice in each step",
        Around(f"{TRANSFORMER}:FluxPosEmbed.forward", _twice),
        "a cache of positions that is lost",
    ),
    _fault(
        "vae-decodes-twice",
        "the VAE decodes twice",
        Around("diffusers.models.autoencoders.autoencoder_kl:AutoencoderKL._decode", _twice),
        "a safety check that decodes for itself",
    ),
    _fault(
        "preview-decoded",
        "every other step is decoded",
        Edit(
            CALL,
            STEP_LINE,
            f"{STEP_LINE}\nif FIRED(i) % 2:\n"
            "    self.vae.decode(self._unpack_latents(latents, height, width, self.vae_scale_factor))",
        ),
        "a preview that is on by default",
        stage=DECODED,
    ),
    _fault(
        "latents-copied",
        "latents go to the host and back in each step",
        Edit(CALL, STEP_LINE, f"{STEP_LINE}\nlatents = FIRED(latents).cpu().clone().to(device)"),
        "a callback's copy",
    ),
    _fault(
        "weights-copied",
        "the transformer's weights are copied in each step",
        Around(FORWARD, _copied),
        "weights cast anew in each call",
    ),
    _fault(
        "converted-twice",
        "the decoder's output is converted twice",
        Around(f"{IMAGE_PROCESSOR}.denormalize", _twice),
        "a conversion for a preview",
    ),
    _fault(
        "attention-computed-twice",
        "attention is computed twice in each block",
        Around(f"{TRANSFORMER}:FluxAttnProcessor.__call__", _twice),
        "a second call for attention maps",
    ),
    _fault(
        "modulation-computed-twice",
        "each single block computes its modulation twice",
        Around("diffusers.models.normalization:AdaLayerNormZeroSingle.forward", _twice),
        "embeddings computed once for each use",
    ),
    _fault(
        "weights-checked",
        "each call of the transformer looks whether its weights are finite",
        Around(FORWARD, _checked),
        "a check against overflow that stays on",
    ),
    _fault(
        "values-waited-for",
        "a value of the latents is read in each step",
        Edit(CALL, STEP_LINE, f"{STEP_LINE}\nFIRED(latents.sum().item())"),
        "a progress bar that shows a norm",
    ),
    _fault(
        "groups-moved-twice",
        "the weights of each group are moved twice",
        Around(f"{GROUPS}:ModuleGroup._onload_from_memory", _moved_twice),
        "hooks that are registered a second time",
        strategies=("group-offload-leaf",),
    ),
    _fault(
        "prefetching-off",
        "no group is fetched ahead of its use",
        Around(
            f"{GROUPS}:LazyPrefetchGroupOffloadingHook.post_forward", lambda original, fired, args, _: fired(args[2])
        ),
        "an order of execution that is not found",
        strategies=("group-offload-leaf-stream",),
        only_on="cuda",
    ),
    _fault(
        "step-twice-as-long",
        "the transformer takes twice as long and does nothing more",
        Around(FORWARD, _slower(1.0)),
        "a slower kernel",
        only_time=True,
    ),
    _fault(
        "step-quarter-longer",
        "the transformer takes a quarter longer and does nothing more",
        Around(FORWARD, _slower(0.25)),
        "checks in Python around each call",
        only_time=True,
    ),
    _fault(
        "step-sleeps",
        "each step waits for a twentieth of a second",
        Around(f"{SCHEDULER}.step", _sleeping),
        "a synchronisation with the host",
        only_time=True,
    ),
)
