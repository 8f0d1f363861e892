"""The reader of storybook scenes: what a picture shows, and which of the things that a caption asks for are there."""

from __future__ import annotations

from fluxgate.miniature import parsing, reader
from fluxgate.miniature.reader import Finding, Reading
from fluxgate.pictures import Pixels


def read(pixels: Pixels) -> Reading:
    """What a picture of three channels shows."""
    return reader.read(pixels)


def compare(reading: Reading, prompt: str) -> tuple[Finding, ...]:
    """Everything that the prompt asks for, and whether the reading has it."""
    return reader.compare(reading, parsing.parse(prompt))
