"""Tests of picnics: they have what the blog post's prompt names."""

from __future__ import annotations

import numpy as np
import pytest

from fluxgate.miniature import picnic
from fluxgate.miniature.scenes import MAGIC


@pytest.mark.parametrize("aspect", [1.0, 1.5, 1360 / 768])
def test_a_picnic_has_what_the_blog_prompt_names(aspect: float) -> None:
    """Several foxes, teacups, mushrooms and fireflies, and one blanket, in the magical forest."""
    for seed in range(20):
        scene = picnic.picnic(np.random.default_rng(seed), aspect=aspect)
        counts = {group.kind: group.count for group in scene.groups}
        assert scene.setting == MAGIC
        assert counts.pop("blanket") == 1
        assert set(counts) == {"fox", "teacup", "mushroom", "firefly"}
        assert min(counts.values()) >= 2
