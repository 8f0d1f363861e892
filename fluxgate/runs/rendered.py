"""A rendering together with the folder that its pictures lie in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fluxgate.pictures import Pixels
from fluxgate.rendering import Rendering
from fluxgate.runs.pictures import sound_pixels


@dataclass(frozen=True)
class Rendered:
    """What a case gave, and where its pictures are."""

    rendering: Rendering
    folder: Path

    def pixels(self, shot: str) -> list[Pixels]:
        """The pictures of a shot's first take, in order; none if it was not rendered."""
        pictures = self.rendering.pictures_of()
        return [sound_pixels(picture, self.folder) for (name, _), picture in pictures.items() if name == shot]
