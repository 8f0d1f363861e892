"""The first stage: an autoencoder of storybook pictures, its latents spread as FLUX.1-dev expects them."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fluxgate.miniature.training.data import Drawn, Stream
from fluxgate.miniature.training.journal import Journal
from fluxgate.miniature.training.optimisation import Masters, rate_at
from fluxgate.miniature.training.together import Clock, average

if TYPE_CHECKING:
    from torch import Tensor, nn

RATE = 1e-3
RESUMED = 0.6  # of the learning rate when trained weights are trained on
HIDDEN = r"resnets.*conv|samplers|attentions.*to_"  # weights that learn by orthogonalised momentum
FIRST_NOISE = 0.1  # of the untrained encoder's latents: with more, they say nothing for a long time
PIXELS = 20 * 256 * 256  # of one step
KL_WEIGHT = 1e-4
SQUARED_WEIGHT = 5.0
LOUD, LOUD_WEIGHT = 4.0, 0.3  # normalised latents beyond this are held down: the transformer must draw them
WHITEN_AT = (0.45, 0.8)  # shares of the time; after the last one the encoder stays as it is
POLISH_NOISE = 0.06  # on normalised latents while the decoder is polished: sampled latents are never perfect
CROPPED_SHARE = 0.5  # of the steps that polish do so on pieces: a tile may hold nothing but sand
PIECE = 8  # latents, the grain of their sides
COARSE_SHARE = 0.2  # of the steps train the decoder on halved latents and pictures, which keeps latents smooth


def train(
    vae: nn.Module,
    source: Stream,
    journal: Journal,
    *,
    seconds: float,
    fresh: bool = True,
    polish: bool = False,
    pixels: int = PIXELS,
) -> None:
    """Train for this long, then leave the averaged weights in `vae`; a fresh one starts from random weights.

    To polish is to train the decoder alone: latents stay what a transformer has learnt to make.
    """
    pictures = _batches(source, vae, pixels=pixels)
    if fresh:
        _prepare(vae, pictures)
    masters = Masters({"vae": vae}, rate=RATE, hidden=HIDDEN)
    whitened, peak = len(WHITEN_AT) if polish else 0, 1.0 if fresh else RESUMED
    vae.encoder.requires_grad_(not polish)
    clock = Clock(first_weight(vae))
    while (progress := clock.passed() / seconds) < 1 or masters.steps < 3:
        if whitened < len(WHITEN_AT) and progress >= WHITEN_AT[whitened]:
            whitened += 1
            _whiten_now(vae, masters, pictures)
            if whitened == len(WHITEN_AT):
                vae.encoder.requires_grad_(False)
        picture = next(pictures)
        loss, error = _loss(vae, picture, polishing=whitened == len(WHITEN_AT))
        loss.backward()
        masters.step(peak * rate_at(progress, steps=masters.steps, warmup=100, decay=1.0))
        journal.note("vae", step=masters.steps, samples=len(picture), loss=loss, error=error)
    vae.load_state_dict(masters.averaged("vae"))
    vae.requires_grad_(True)


def to_pixels(drawn: Drawn, like: Tensor) -> Tensor:
    """Pictures as the VAE takes them: batch × 3 × height × width, from -1 to 1."""
    import torch

    bytes_ = torch.from_numpy(drawn.pictures)
    if like.is_cuda:
        bytes_ = bytes_.pin_memory()  # else the copy would wait for everything the device still has to do
    return bytes_.to(like.device, non_blocking=True).permute(0, 3, 1, 2).to(like.dtype) / 127.5 - 1


def first_weight(module: nn.Module) -> Tensor:
    """Tells the device and dtype a module works in."""
    return next(module.parameters())


def _batches(source: Stream, vae: nn.Module, *, pixels: int) -> Iterator[Tensor]:
    while True:
        drawn = source.take(wait=True)
        assert drawn is not None
        picture = to_pixels(drawn, first_weight(vae))
        yield from picture.split(max(1, pixels // (drawn.frame.width * drawn.frame.height)))


def _loss(vae: nn.Module, picture: Tensor, *, polishing: bool) -> tuple[Tensor, Tensor]:
    """The loss, and the mean error in steps of 255."""
    import torch
    from torch.nn.functional import avg_pool2d

    mean, deviation = _moments(vae, picture)
    noise = torch.randn_like(mean)
    latents = mean + noise * (POLISH_NOISE if polishing else deviation)
    if polishing and random.random() < CROPPED_SHARE:
        latents, picture = piece(latents, picture)
    if not polishing and random.random() < COARSE_SHARE:
        latents, picture = avg_pool2d(latents, 2), avg_pool2d(picture, 2)
    decoded = vae.decoder(_denormalised(vae, latents)).float()
    target = picture.float()
    loss = _distance(decoded, target)
    if not polishing:
        loss = loss + LOUD_WEIGHT * (mean.abs() - LOUD).relu().square().mean()
        loss = loss + KL_WEIGHT * 0.5 * (mean**2 + deviation**2 - 1 - 2 * deviation.log()).float().mean()
    return loss, (decoded - target).abs().mean().detach() * 127.5


def piece(latents: Tensor, picture: Tensor) -> tuple[Tensor, Tensor]:
    """A random rectangle of the latents, as a tiled decoder sees them, and what it shows of the pictures."""
    tall, wide = latents.shape[-2:]
    scale = picture.shape[-1] // wide
    height, width = (PIECE * random.randint(1, max(1, side // PIECE)) for side in (tall, wide))
    top, left = random.randint(0, max(0, tall - height)), random.randint(0, max(0, wide - width))
    rows, columns = slice(top, top + height), slice(left, left + width)
    shown = picture[..., scale * top : scale * (top + height), scale * left : scale * (left + width)]
    return latents[..., rows, columns], shown


def _moments(vae: nn.Module, picture: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of the latents, normalised as the pipeline does."""
    import torch

    mean, variance = vae.encoder(picture).float().chunk(2, dim=1)
    scale, shift = vae.config.scaling_factor, vae.config.shift_factor
    return (mean - shift) * scale, torch.exp(0.5 * variance.clamp(-20, 10)) * scale


def _denormalised(vae: nn.Module, latents: Tensor) -> Tensor:
    return (latents / vae.config.scaling_factor + vae.config.shift_factor).to(first_weight(vae).dtype)


def normalised_latents(vae: nn.Module, picture: Tensor) -> Tensor:
    """What the transformer learns to make."""
    import torch

    with torch.no_grad():
        return _moments(vae, picture)[0]


def _distance(decoded: Tensor, target: Tensor) -> Tensor:
    """Absolute error at three scales, and of the differences between neighbours, which keeps outlines sharp.

    The squared error is there against small bright blots, which group normalisation invites and the rest hardly sees.
    """
    from torch.nn.functional import avg_pool2d

    wrong = decoded - target
    loss = wrong.abs().mean() + SQUARED_WEIGHT * wrong.square().mean()
    loss = loss + wrong.diff(dim=-1).abs().mean() + wrong.diff(dim=-2).abs().mean()
    for _ in range(2):
        wrong = avg_pool2d(wrong, 2)
        loss = loss + 0.5 * wrong.abs().mean()
    return loss


def _prepare(vae: nn.Module, pictures: Iterator[Tensor]) -> None:
    """Let the untrained encoder speak up: whitened latents and little noise on them."""
    last = vae.encoder.conv_out
    half = last.out_channels // 2
    _whiten_by(vae, pictures, samples=4)
    last.weight.data[half:] = 0
    last.bias.data[half:] = 2 * math.log(FIRST_NOISE / vae.config.scaling_factor)


def _whiten_now(vae: nn.Module, masters: Masters, pictures: Iterator[Tensor]) -> None:
    """Measure the averaged weights' latents, then go on from those weights, whitened."""
    vae.load_state_dict(masters.averaged("vae"))
    _whiten_by(vae, pictures, samples=10)
    masters.reset()


def _whiten_by(vae: nn.Module, pictures: Iterator[Tensor], *, samples: int) -> None:
    import torch

    with torch.no_grad():
        rows = [normalised_latents(vae, next(pictures)).transpose(0, 1).flatten(1) for _ in range(samples)]
        latents = torch.cat(rows, dim=1)
        mean, deviation = latents.mean(1), latents.std(1)
        average([mean, deviation])
        whiten(vae, mean, deviation)


def whiten(vae: nn.Module, mean: Tensor, deviation: Tensor) -> None:
    """Fold a change of every latent channel to mean 0 and deviation 1 (normalised) into the VAE itself."""
    import torch

    deviation = deviation.clamp_min(0.2 * deviation.median())  # a channel that says nothing is not blown up
    gain = 1 / deviation
    scale, shift = vae.config.scaling_factor, vae.config.shift_factor
    # In the VAE's own units: new = gain * old + offset.
    offset = shift - gain * (mean / scale + shift)
    last, first = vae.encoder.conv_out, vae.decoder.conv_in
    weight, bias = last.weight.data.float(), last.bias.data.float()
    channels = len(gain)
    weight[:channels] *= gain[:, None, None, None]
    bias[:channels] = gain * bias[:channels] + offset
    bias[channels:] += 2 * torch.log(gain)
    last.weight.data.copy_(weight)
    last.bias.data.copy_(bias)
    weight = first.weight.data.float() / gain[None, :, None, None]
    first.bias.data.sub_((weight * offset[None, :, None, None]).sum((1, 2, 3)))
    first.weight.data.copy_(weight)
