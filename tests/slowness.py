"""How slow the processor is just now, for tests with a limit in seconds."""

from __future__ import annotations

import io
import time

import numpy as np
from PIL import Image

PICTURES = 60  # drawn, made smaller and compressed, as for a page
# Seconds that they take where the limits were set, on two cores of an AMD EPYC with AVX-512. Not timed there: a page of
# 200 cases took 7.7 s there and 14.8 s on other cores, on which these took 0.95.
QUICK = 0.5


def slowness() -> float:
    """How many times longer this processor takes for fixed work than the one that limits were set on; at least 1."""
    began = time.process_time()
    rows, columns = np.mgrid[0:256, 0:256].astype(np.float32)
    for number in range(PICTURES):
        drawn = np.stack([rows * number % 255, columns, (rows + columns) / 2], axis=2).astype(np.uint8)
        picture = Image.fromarray(drawn)
        for one in (picture, picture.resize((128, 128), Image.Resampling.LANCZOS)):
            one.save(io.BytesIO(), "PNG")
            one.save(io.BytesIO(), "WEBP")
    return max(1.0, (time.process_time() - began) / QUICK)
