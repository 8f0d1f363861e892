"""The VAE decoding a picture, or a batch of pictures, in pieces."""

from __future__ import annotations

import inspect
from typing import Any

from fluxgate.machine import Machine, Stack
from fluxgate.rendering import DECODE, DENOISE, ENCODE
from fluxgate.strategies.effects import EACH_PICTURE, SLICES, TILES, Counted
from fluxgate.strategies.promise import OtherWork, Promise, Site, strategy
from fluxgate.subjects.decoder_class import decoder_attributes, tile_edge
from fluxgate.subjects.subject import Subject

# What some VAEs are told of their tiles, as shares of an edge; AutoencoderKL's have one edge, and overlap by a quarter.
TILE_SIZES = {
    "tile_sample_min_height": 1.0,
    "tile_sample_min_width": 1.0,
    "tile_sample_stride_height": 0.75,
    "tile_sample_stride_width": 0.75,
}

# Some are told apart how many latents a tile has.
LATENT_SIZES = ("tile_latent_min_height", "tile_latent_min_width")

PIXELS_OF_A_LATENT = ("vae_scale_factor", "vae_scale_factor_spatial", "vae_spatial_compression_ratio")


def several_pictures(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need of slicing: one picture is one slice, and not every VAE can take a batch apart."""
    cannot = _without(subject, "use_slicing")
    if cannot:
        return f"{cannot}, whose class has no slicing"
    shots = subject.shots_for(machine.device)
    if shots and all(shot.pictures < 2 for shot in shots):
        return f"no shot of {subject.name} asks for several pictures at once"
    return None


def larger_than_a_tile(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need of tiling: a VAE that can, and a picture that does not fit into one tile."""
    cannot = _without(subject, "use_tiling")
    if cannot:
        return f"{cannot}, whose class has no tiling"
    edge = tile_edge(subject)
    if edge is not None and 0 < largest_edge(subject, machine.device) <= edge:
        return f"no shot of {subject.name} is larger than a tile of {edge} pixels"
    return None


def _without(subject: Subject, attribute: str) -> str | None:
    """What decodes, if its class is known not to have the attribute."""
    known = decoder_attributes(subject)
    return f"{subject.name} decodes by {known[0]}" if known and attribute not in known[1] else None


def largest_edge(subject: Subject, device: str) -> int:
    """In pixels, of the pictures asked for on this device; 0 where the shots leave it to the pipeline."""
    shots = subject.shots_for(device)
    return max((edge for shot in shots for edge in (shot.height, shot.width) if edge is not None), default=0)


# It approximates, because a batch of one is computed in another order: on a CPU its activations lose the channels-last
# strides that a batch's keep after attention, and oneDNN's convolutions depend on the batch's size. Random latents
# moved by up to 25 levels of 255 in bfloat16, and by 1 in float32.
@strategy(
    Promise(
        stays=True,
        other_work=(OtherWork("it decodes the pictures of a batch one by one", phases=(DECODE,), operators=("",)),),
        approximates="full",
        effects=(Counted(SLICES, at_least=EACH_PICTURE),),
    ),
    needs=(several_pictures,),
)
def vae_slicing(site: Site) -> Any:
    """The VAE decodes the pictures of a batch one by one, which sums in another order than the batch does."""
    pipe = site.pipeline().to(site.device)
    getattr(pipe, site.subject.decoder).enable_slicing()
    return pipe


@strategy(
    Promise(
        stays=True,
        other_work=(
            OtherWork("its tiles overlap", phases=(DECODE,), operators=("",), flops=1.25),
            OtherWork("pictures are encoded in tiles, too", (ENCODE, DENOISE), ("",), flops=1.25, given_pictures=True),
        ),
        approximates="full",
        less_memory_than="full",
        less_during=(DECODE,),
        effects=(Counted(TILES, at_least=2),),
    ),
    needs=(larger_than_a_tile,),
)
def vae_tiling(site: Site) -> Any:
    """The VAE decodes overlapping tiles and blends their seams."""
    pipe = site.pipeline().to(site.device)
    vae, tile = getattr(pipe, site.subject.decoder), site.subject.vae_tile
    takes = set(inspect.signature(vae.enable_tiling).parameters)
    sizes, latents = takes & set(TILE_SIZES), takes & set(LATENT_SIZES)
    grain = next((getattr(pipe, name) for name in PIXELS_OF_A_LATENT if hasattr(pipe, name)), 1)
    edges = {name: int(tile * TILE_SIZES[name]) // grain * grain for name in sizes} if tile else {}
    vae.enable_tiling(**edges, **(dict.fromkeys(latents, tile // grain) if tile else {}))
    if tile is not None and not sizes:
        vae.tile_sample_min_size = tile
        vae.tile_latent_min_size = tile // 2 ** (len(vae.config.block_out_channels) - 1)
    return pipe
