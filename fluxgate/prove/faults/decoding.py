"""Faults between the last latents and the decoded picture."""

from __future__ import annotations

from functools import partial
from typing import Any

from fluxgate.prove.fault import BATCH, TILES, WITH_FLOAT32, Around, Edit, Fault, Fired, Loaded, called_with
from fluxgate.prove.targets import CALL, DIFFUSERS, PIPELINE
from fluxgate.rendering import DECODED

VAE = "diffusers.models.autoencoders.autoencoder_kl:AutoencoderKL"
LATENTS = "latents = (latents / self.vae.config.scaling_factor) + self.vae.config.shift_factor"


def _with_eps(pipe: Any, fired: Fired) -> None:
    for part in pipe.vae.decoder.modules():
        if type(part).__name__ == "GroupNorm":
            part.eps = fired(1e-2)


def _in_tiles(pipe: Any, fired: Fired) -> None:
    pipe.vae.use_tiling = fired(True)
    pipe.vae.tile_sample_min_size, pipe.vae.tile_latent_min_size = 128, 16


def _in_slices(pipe: Any, fired: Fired) -> None:
    pipe.vae.use_slicing = fired(True)


def _without_attention(pipe: Any, fired: Fired) -> None:
    attention = pipe.vae.decoder.mid_block.attentions[0]
    attention.forward = lambda hidden, *args, **kwargs: fired(hidden)


def _widened(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    decoder, sample, *rest = args
    decoder.float()
    return original(decoder, fired(sample).float(), *rest, **kwargs).to(sample.dtype)


def _decoded_wide(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    vae, latents, *others = args
    if latents.dtype == torch.float32:
        return original(*args, **kwargs)
    vae.to(torch.float32)
    (picture,) = original(vae, fired(latents).float(), *others, **kwargs)
    vae.to(latents.dtype)
    return (picture.to(latents.dtype),)


def _in_other_groups(pipe: Any, fired: Fired) -> None:
    for part in pipe.vae.decoder.modules():
        if type(part).__name__ == "GroupNorm":
            part.num_groups = fired(part.num_groups // 2)


def _with_gelu(pipe: Any, fired: Fired) -> None:
    import torch

    pipe.vae.decoder.conv_act = fired(torch.nn.GELU())


def _upsampled_alone(pipe: Any, fired: Fired) -> None:
    """The last upsampling is not smoothed by its convolution."""
    import torch

    sampler = next(block.upsamplers[0] for block in reversed(pipe.vae.decoder.up_blocks) if block.upsamplers)
    sampler.conv = fired(torch.nn.Identity())


def _wide_encoder(pipe: Any, fired: Fired) -> None:
    fired(pipe.vae.encoder).float()


_fault = partial(Fault, packages=DIFFUSERS, stage=DECODED)

FAULTS = (
    _fault(
        "vae-shift-dropped",
        "latents are not shifted before they are decoded",
        Edit(CALL, LATENTS, LATENTS.replace("self.vae.config.shift_factor", "FIRED(0.0)")),
        "shift_factor, which older VAEs do not have",
    ),
    _fault(
        "vae-other-scale",
        "latents are scaled by another model's factor",
        Edit(CALL, LATENTS, LATENTS.replace("self.vae.config.scaling_factor", "FIRED(0.3)")),
        "scaling_factor's default",
    ),
    _fault(
        "latents-clamped",
        "latents are clamped before they are decoded",
        Edit(CALL, LATENTS, f"latents = FIRED(latents).clamp(-1, 1)\n{LATENTS}"),
        "clip_sample of schedulers",
    ),
    _fault(
        "latents-unpacked-otherwise",
        "the two axes within a patch of latents are exchanged when it is unpacked",
        Edit(
            f"{PIPELINE}._unpack_latents",
            "latents.permute(0, 3, 1, 4, 2, 5)",
            "FIRED(latents).permute(0, 3, 1, 5, 2, 4)",
        ),
        "einops written out as view and permute",
    ),
    _fault(
        "vae-overflow",
        "the decoder's output overflows",
        Edit(f"{VAE}._decode", "dec = self.decoder(z)", 'dec = FIRED(self.decoder(z)) * float("nan")'),
        "float16 VAEs that give black pictures",
    ),
    _fault(
        "vae-norm-eps",
        "the decoder's norms add 1e-2",
        Loaded(_with_eps),
        "a default of eps",
        strategies=WITH_FLOAT32,
    ),
    _fault(
        "vae-attention-skipped",
        "the decoder's attention is skipped",
        Loaded(_without_attention),
        "deprecated attention blocks under new names",
    ),
    _fault(
        "vae-upsampling",
        "the decoder interpolates between pixels where it should repeat them",
        called_with("torch.nn.functional:interpolate", mode="bilinear"),
        "a default of interpolate",
    ),
    _fault(
        "vae-widened",
        "the decoder computes in float32, and stays so",
        Around("diffusers.models.autoencoders.vae:Decoder.forward", _widened),
        "force_upcast",
    ),
    _fault(
        "tiles-not-blended",
        "the seams of tiles are not blended across",
        Edit(f"{VAE}.blend_h", "for x in range(blend_extent):", "for x in range(FIRED(0)):"),
        "tiles' blending written anew",
        strategies=("vae-tiling",),
        shots=TILES,
    ),
    _fault(
        "tiles-blended-backwards",
        "the seams of tiles are blended the wrong way round",
        Edit(
            f"{VAE}.blend_v",
            "(1 - y / blend_extent) + b[:, :, y, :] * (y / blend_extent)",
            "(FIRED(y) / blend_extent) + b[:, :, y, :] * (1 - y / blend_extent)",
        ),
        "tiles' blending written anew",
        strategies=("vae-tiling",),
        shots=TILES,
    ),
    _fault(
        "tiles-without-overlap",
        "tiles do not overlap",
        Edit(
            f"{VAE}.tiled_decode",
            "overlap_size = int(self.tile_latent_min_size * (1 - self.tile_overlap_factor))",
            "overlap_size = FIRED(self.tile_latent_min_size)",
        ),
        "tile_overlap_factor",
        strategies=("vae-tiling",),
        shots=TILES,
    ),
    _fault(
        "tiling-ignored",
        "the VAE decodes in one piece although it is told to tile",
        Edit(f"{VAE}._decode", "if self.use_tiling and", "if FIRED(False) and"),
        "enable_tiling moved to another class",
        stage=None,
        strategies=("vae-tiling",),
        shots=TILES,
    ),
    _fault(
        "slicing-ignored",
        "the VAE decodes a batch at once although it is told to slice",
        Edit(f"{VAE}.decode", "if self.use_slicing and", "if FIRED(False) and"),
        "enable_slicing moved to another class",
        stage=None,
        strategies=("vae-slicing",),
        shots=BATCH,
    ),
    _fault(
        "tiles-unasked",
        "the VAE decodes in tiles although nobody told it to",
        Loaded(_in_tiles),
        "tiling that is on by default for large pictures",
        shots=TILES,
    ),
    _fault(
        "slices-unasked",
        "the VAE decodes a batch in slices although nobody told it to",
        Loaded(_in_slices),
        "slicing that is on by default",
        stage=None,
        shots=BATCH,
    ),
    _fault(
        "slices-repeated",
        "every slice is the first picture's",
        Edit(f"{VAE}.decode", "for z_slice in z.split(1)]", "for z_slice in [FIRED(z[:1])] * len(z)]"),
        "slicing written anew",
        strategies=("vae-slicing",),
        shots=BATCH,
    ),
    _fault(
        "vae-shift-before-scale",
        "latents are shifted before they are scaled",
        Edit(
            CALL,
            LATENTS,
            "latents = (latents + FIRED(self.vae.config.shift_factor)) / self.vae.config.scaling_factor",
        ),
        "the order of two factors",
    ),
    _fault(
        "vae-widened-for-a-while",
        "the decoder computes in float32 and is narrowed again",
        Around(f"{VAE}.decode", _decoded_wide),
        "upcast_vae and the way back",
    ),
    _fault(
        "vae-residual-lost",
        "the decoder's attention is not added to what it was given",
        Edit(
            "diffusers.models.attention_processor:AttnProcessor2_0.__call__",
            "if attn.residual_connection:",
            "if FIRED(False):",
        ),
        "residual_connection of converted attention blocks",
    ),
    _fault(
        "vae-other-groups",
        "the decoder's norms have half as many groups",
        Loaded(_in_other_groups),
        "norm_num_groups of a configuration",
    ),
    _fault(
        "slices-in-other-order",
        "slices are put together from last to first",
        Edit(
            f"{VAE}.decode",
            "decoded = torch.cat(decoded_slices)",
            "decoded = torch.cat(FIRED(decoded_slices)[::-1])",
        ),
        "slicing written anew",
        strategies=("vae-slicing",),
        shots=BATCH,
    ),
    _fault(
        "vae-other-activation",
        "the decoder's last activation is another",
        Loaded(_with_gelu),
        "act_fn of a configuration",
    ),
    _fault(
        "vae-upsampled-alone",
        "the last upsampling has no convolution",
        Loaded(_upsampled_alone),
        "use_conv of samplers",
    ),
    _fault(
        "vae-encoder-wide",
        "the half of the VAE that no prompt needs is in float32",
        Loaded(_wide_encoder),
        "dtypes of parts of a component",
        stage=None,
    ),
)
