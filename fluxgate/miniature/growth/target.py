"""What the miniature grows into: FLUX.1-dev's shapes, or others for a test."""

from __future__ import annotations

from dataclasses import dataclass

from fluxgate.miniature.architecture import Sizes


@dataclass(frozen=True)
class Target:
    """What to grow into."""

    sizes: Sizes
    clip_words: int = 49408
    t5_words: int = 32128
    shard_bytes: int = 5_000_000_000  # of the text encoders; twice that for the others, as in FLUX.1-dev's own files

    @property
    def vocabularies(self) -> dict[str, int]:
        return {"text_encoder": self.clip_words, "text_encoder_2": self.t5_words}

    def most(self, component: str) -> int:
        """Bytes of tensors in one of the component's files."""
        return self.shard_bytes * (1 if component in self.vocabularies else 2)


FLUX_DEV = Target(
    Sizes(
        double_blocks=19,
        single_blocks=38,
        heads=24,
        t5_width=4096,
        t5_inner=10240,
        t5_heads=64,
        t5_layers=24,
        clip_width=768,
        clip_inner=3072,
        clip_heads=12,
        clip_layers=12,
        vae_channels=(128, 256, 512, 512),
    )
)
FLUX_DEV_PARAMETERS = {
    "transformer": 11_901_408_320,
    "text_encoder_2": 4_762_310_656,
    "text_encoder": 123_060_480,
    "vae": 83_819_683,
}
