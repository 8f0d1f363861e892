"""The record of a call in which each stage is run from what is given, whatever the stage before it gave."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fluxgate.miniature.given import CALL, Given, widened
from fluxgate.render.watch.fingerprints import tensor_sha256
from fluxgate.rendering import (
    CLIP_TOKENS,
    DECODED,
    DRAWN,
    LEVELS,
    NOISE,
    PICTURE,
    POOLED,
    T5,
    T5_TOKENS,
    TO_DECODE,
    GivenStage,
    GivenTake,
    after_step,
    output_of,
    to_denoiser,
)
from fluxgate.tensors import NAMES, Tensor, read_tensors, write_tensors

FILE = "given.safetensors"
SEED = 0
CHANNELS = 16  # of the latents
TOKENS = {"text_encoder": CLIP_TOKENS, "text_encoder_2": T5_TOKENS}
EMBEDDINGS = {"prompt_embeds": T5, "pooled_prompt_embeds": POOLED}  # what encode_prompt returns -> stage


class GivenRecorder:
    """Records what each stage makes, and hands on what is given in its place."""

    def __init__(self, given: Given, *, dtype: Any) -> None:
        self._given = given
        self._stages: dict[str, GivenStage] = {}
        self._tensors: dict[str, Tensor] = {}
        self._step = 0
        self._dtype = dtype  # that the noise is drawn in, if that is not the pipeline's own
        self._handles: list[Any] = []

    def arguments(self) -> dict[str, Any]:
        """Those of the call."""
        return {
            "prompt": CALL.prompt,
            "height": CALL.height,
            "width": CALL.width,
            "num_inference_steps": CALL.steps,
            "guidance_scale": CALL.guidance,
            "max_sequence_length": CALL.tokens,
            "generator": self._generator(),
        }

    def _generator(self) -> Any:
        """The call's. We draw from it, too: torch is not what is tested, what pipelines make of its numbers is."""
        import torch

        return torch.Generator("cpu").manual_seed(SEED)

    def _record_noise(self, latents: Any) -> None:
        """What the first step would start from, and what torch draws in the dtype that comes nearest to it."""
        import torch

        shape = (1, CHANNELS, CALL.height // 8, CALL.width // 8)
        dtypes = dict.fromkeys((self._dtype, latents.dtype))
        drawn = [torch.randn(shape, generator=self._generator(), dtype=dtype).to(latents.dtype) for dtype in dtypes]
        packed = [each.view(CHANNELS, shape[2] // 2, 2, shape[3] // 2, 2).permute(1, 3, 0, 2, 4) for each in drawn]
        near = [each.reshape(-1, 4 * CHANNELS) for each in packed]
        host = latents.detach().to("cpu").reshape(-1, 4 * CHANNELS)
        same = [each for each in near if torch.equal(each, host)]
        self._record(NOISE, latents)
        self._tensors[DRAWN] = as_stored((same or near)[0].contiguous())

    def watch(self, pipeline: Any, denoiser: str) -> None:
        """See what the pipeline's networks are called with, until `finish`."""
        for name, stage in TOKENS.items():
            encoder = getattr(pipeline, name, None)
            if encoder is not None:
                hook = self._before_encoder(stage)
                self._handles.append(encoder.register_forward_pre_hook(hook, with_kwargs=True))
        network = getattr(pipeline, denoiser, None)
        if network is not None:
            self._handles.append(network.register_forward_pre_hook(self._before_denoiser, with_kwargs=True))

    def finish(self, folder: Path, *, error: str | None = None) -> GivenTake:
        """All that was seen, with its numbers in a file of the folder; no hook stays behind."""
        for handle in self._handles:
            handle.remove()
        if not self._stages:
            return GivenTake(error=error)
        write_tensors(folder / FILE, self._tensors)
        return GivenTake(tuple(self._stages.values()), FILE, error)

    def add_from_process(self, take: GivenTake, folder: Path) -> None:
        """Add what another process has recorded."""
        self._stages |= {each.stage: each for each in take.stages}
        if take.file is not None:
            self._tensors |= read_tensors(folder / FILE)

    def record_pictures(self, images: list[Any]) -> None:
        import torch

        self._record(PICTURE, torch.from_numpy(np.array(images[0])))

    # The wrapped calls

    def encode(self, inner: Callable[..., Any], names: tuple[str, ...], args: Any, kwargs: Any) -> Any:
        returned = inner(*args, **kwargs)
        if kwargs.get("prompt_embeds") is not None:  # embeddings that were made before
            return returned
        tensors = list(returned) if isinstance(returned, tuple | list) else [returned]
        for place, (name, tensor) in enumerate(zip(names, tensors, strict=False)):
            if name in EMBEDDINGS and tensor is not None:
                tensors[place] = self._exchanged(EMBEDDINGS[name], tensor)
        return tuple(tensors) if isinstance(returned, tuple | list) else tensors[0]

    def step(self, inner: Callable[..., Any], scheduler: Any, args: Any, kwargs: Any) -> Any:
        step = self._step
        if step == 1 and getattr(scheduler, "sigmas", None) is not None:
            self._record(LEVELS, scheduler.sigmas)
        output, rest = _argument(args, kwargs, 0, "model_output")
        args, kwargs = rest(self._exchanged(output_of(step), output))
        latents, rest = _argument(args, kwargs, 2, "sample")
        args, kwargs = rest(self._like(after_step(step - 1), latents))
        return self._exchanged_first(after_step(step), inner(*args, **kwargs), "prev_sample")

    def decode(self, inner: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        latents, rest = _argument(args, kwargs, 0, "z")
        args, kwargs = rest(self._exchanged(TO_DECODE, latents))
        return self._exchanged_first(DECODED, inner(*args, **kwargs), "sample")

    def _before_encoder(self, stage: str) -> Callable[..., Any]:
        def before(_: Any, args: Any, kwargs: Any) -> Any:
            ids, rest = _argument(args, kwargs, 0, "input_ids")
            return rest(self._exchanged(stage, ids))

        return before

    def _before_denoiser(self, _: Any, args: Any, kwargs: Any) -> Any:
        self._step += 1
        for name, value in kwargs.items():
            stage = to_denoiser(name, self._step)
            if name == "hidden_states" and self._step == 1:
                self._record_noise(value)
                kwargs[name] = self._like(stage, value)
            elif stage in self._given.inputs and value is not None:
                kwargs[name] = self._exchanged(stage, value)
        return args, kwargs

    # What is seen, and what is given instead

    def _exchanged_first(self, stage: str, returned: Any, field: str) -> Any:
        """An output that is a tuple or a dataclass, as `return_dict` decides, with its tensor exchanged."""
        if isinstance(returned, tuple):
            return (self._exchanged(stage, returned[0]), *returned[1:])
        setattr(returned, field, self._exchanged(stage, getattr(returned, field)))
        return returned

    def _exchanged(self, stage: str, tensor: Any) -> Any:
        self._record(stage, tensor)
        return self._like(stage, tensor)

    def _record(self, stage: str, tensor: Any) -> None:
        host = tensor.detach().to("cpu", copy=True).contiguous()
        self._tensors[stage] = as_stored(host)
        self._stages[stage] = GivenStage(
            stage,
            sha256=tensor_sha256(host),
            shape=tuple(tensor.shape),
            dtype=str(tensor.dtype).removeprefix("torch."),
            device=str(tensor.device.type),
            gradients=bool(tensor.requires_grad),
        )

    def _like(self, stage: str, tensor: Any) -> Any:
        """What is given, in the tensor's dtype, on its device, and in its shape if it has as many numbers."""
        import torch

        values = torch.from_numpy(
            np.array(widened(stage, self._given.inputs[stage], tensor.shape[-1] if tensor.dim() else 1))
        )
        values = values.to(dtype=tensor.dtype, device=tensor.device)
        if values.numel() == tensor.numel():
            return values.reshape(tensor.shape)
        return values.reshape((1,) * (tensor.dim() - values.dim()) + values.shape)


def as_stored(tensor: Any) -> Tensor:
    """A tensor in host memory as a file keeps it: in its own dtype, or in float32 if numpy has no name for that."""
    import torch

    if tensor.dtype == torch.bfloat16:
        return Tensor("BF16", tensor.view(torch.int16).numpy().view(np.uint16))
    name = str(tensor.dtype).removeprefix("torch.")
    return Tensor(NAMES[name], tensor.numpy()) if name in NAMES else Tensor("F32", tensor.float().numpy())


def _argument(args: tuple[Any, ...], kwargs: dict[str, Any], place: int, name: str) -> tuple[Any, Callable[[Any], Any]]:
    """An argument, and what gives the arguments with another one in its place."""
    if name in kwargs:
        return kwargs[name], lambda other: (args, {**kwargs, name: other})
    return args[place], lambda other: ((*args[:place], other, *args[place + 1 :]), kwargs)
