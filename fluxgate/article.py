"""Which article goes before the name of a class: an ErnieImagePipeline, an SD3Transformer2DModel, a UNet2DModel."""

from __future__ import annotations

import re

# A vowel; or letters that are spelled out, of which the first is said with a vowel, as "ess" is.
_AN = re.compile(r"[AEIOaeio]|[FHLMNRSX](?=[A-Z0-9])")


def with_article(name: str) -> str:
    """The name behind a or an, as it is said; one that begins with U is said with a consonant, as UNet is."""
    return f"{'an' if _AN.match(name) else 'a'} {name}"
