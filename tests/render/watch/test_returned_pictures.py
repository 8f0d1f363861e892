"""Tests of pictures that a caller keeps from call to call."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fluxgate.render.watch.returned_pictures import ReturnedPictures
from fluxgate.subjects.subject import Shot

SHOT = Shot("small", ("a red circle",), seed=1)
GREY = np.full((8, 8, 3), 7, dtype=np.uint8)


@pytest.mark.parametrize("shared", [False, True])
def test_a_picture_that_a_later_call_changes_is_seen(shared: bool) -> None:
    """Where all calls share one piece of memory; a call that makes its own changes no earlier one."""
    canvas = Image.new("RGB", (8, 8))

    def render(shot: Shot) -> Any:
        one = canvas if shared else canvas.copy()
        one.putpixel((0, 0), (shot.seed, 0, 0))
        return SimpleNamespace(images=[one])

    kept = ReturnedPictures()
    call = kept.of(render)
    for seed in (1, 1, 2):
        call(Shot("small", ("a red circle",), seed=seed))
    assert kept.changed == shared


@pytest.mark.parametrize("images", [[GREY], None, object()])
def test_what_is_no_picture_of_pillows_is_read_or_left_alone(images: Any) -> None:
    """Without an alarm, and without an error."""
    kept = ReturnedPictures()
    call = kept.of(lambda _: SimpleNamespace(images=images))
    assert call(SHOT).images is images
    call(SHOT)
    assert not kept.changed
