"""Faults in what becomes of the decoded tensor on its way to a picture."""

from __future__ import annotations

from functools import partial
from typing import Any

from fluxgate.compare.stages import FINISHED
from fluxgate.prove.fault import BATCH, Around, Edit, Fault, Fired, called_with
from fluxgate.prove.targets import DIFFUSERS, IMAGE_PROCESSOR

TO_PIL, RANGE = f"{IMAGE_PROCESSOR}.numpy_to_pil", f"{IMAGE_PROCESSOR}.denormalize"
BYTES = 'images = (images * 255).round().astype("uint8")'


def _with_alpha(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return [fired(picture).convert("RGBA") for picture in original(*args, **kwargs)]


def _first_moved_alone(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    others = len(args[1]) - 1
    return original(*args, **{**kwargs, "do_denormalize": [True] + [False] * fired(others)} if others else kwargs)


def _resized(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    pictures = original(*args, **kwargs)
    larger = [one.resize((one.width + 8, one.height + 8)) for one in fired(pictures)]
    return [large.resize(one.size) for large, one in zip(larger, pictures, strict=True)]


_fault = partial(Fault, packages=DIFFUSERS, stage=FINISHED)

FAULTS = (
    Fault(
        "pixels-rint",
        "pixels are rounded by another function",
        Edit(TO_PIL, BYTES, 'images = np.rint(FIRED(images) * 255).astype("uint8")'),
        "round() in numpy_to_pil",
        packages=DIFFUSERS,
        equivalent="numpy's round to whole numbers is its rint, and both round halves to the even number.",
    ),
    _fault(
        "range-not-moved",
        "pixels are not moved from −1 to 1 into 0 to 1",
        Edit(RANGE, "(images * 0.5 + 0.5)", "FIRED(images)"),
        "do_normalize of image processors",
    ),
    _fault(
        "range-not-clamped",
        "pixels beyond the range wrap around",
        Edit(RANGE, ".clamp(0, 1)", ".clamp(FIRED(-1), 2)"),
        "clamping moved to another place",
    ),
    _fault(
        "pixels-not-rounded",
        "pixels are cut off where they should be rounded",
        Edit(TO_PIL, BYTES, 'images = (FIRED(images) * 255).astype("uint8")'),
        "round() in numpy_to_pil",
    ),
    _fault(
        "pixels-by-256",
        "pixels are multiplied by 256 and clipped",
        Edit(TO_PIL, BYTES, 'images = (FIRED(images) * 256).clip(0, 255).astype("uint8")'),
        "two ways to quantize a picture",
    ),
    _fault(
        "channels-reversed",
        "red and blue are exchanged",
        Edit(TO_PIL, BYTES, f"{BYTES}\nimages = FIRED(images)[..., ::-1].copy()"),
        "an image library that is written in BGR",
    ),
    _fault(
        "upside-down",
        "pictures are upside down",
        Edit(TO_PIL, BYTES, f"{BYTES}\nimages = FIRED(images)[:, ::-1].copy()"),
        "an image library that counts rows from below",
    ),
    _fault(
        "pictures-out-of-order",
        "the pictures of a batch come in another order",
        Edit(TO_PIL, BYTES, f"{BYTES}\nimages = FIRED(images)[::-1]"),
        "a batch that is gathered from several devices",
        shots=BATCH,
    ),
    _fault(
        "pixels-half",
        "pixels pass through half precision",
        Edit(f"{IMAGE_PROCESSOR}.pt_to_numpy", ".float().numpy()", ".float().numpy().round(2) + FIRED(0)"),
        "output in a narrower dtype",
    ),
    _fault(
        "pictures-rgba",
        "pictures have an alpha channel",
        Around(TO_PIL, _with_alpha),
        "the modes of an image library",
    ),
    _fault(
        "first-picture-denormalized",
        "of a batch, only the first picture is moved from −1 to 1 into 0 to 1",
        Around(f"{IMAGE_PROCESSOR}.postprocess", _first_moved_alone),
        "do_denormalize, which is a list for a batch",
        shots=BATCH,
    ),
    _fault(
        "pictures-are-arrays",
        "pictures come as arrays although nobody asked for them",
        called_with(f"{IMAGE_PROCESSOR}.postprocess", output_type="np"),
        "output_type's default",
        stage=None,
    ),
    _fault(
        "watermark",
        "the last bit of blue says that the picture was generated",
        Edit(TO_PIL, BYTES, f"{BYTES}\nimages[..., 2] |= FIRED(1)"),
        "a watermarker that is installed",
    ),
    _fault(
        "gamma",
        "pictures are a little brighter",
        Edit(TO_PIL, BYTES, BYTES.replace("(images * 255)", "(FIRED(images) ** 0.99 * 255)")),
        "colour spaces of an image library",
    ),
    _fault(
        "resized-and-back",
        "pictures are resized to a multiple, and back again",
        Around(TO_PIL, _resized),
        "sizes that a VAE cannot divide",
    ),
)
