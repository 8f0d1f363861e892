"""Work that is cut short at a step on the disk, as when its process is killed there."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

STEPS = ("rename", "replace", "fsync", "rmdir", "unlink")  # functions of os


class Killed(BaseException):
    """Stands for a process that ends at this very step."""


def killed_at(number: int, monkeypatch: pytest.MonkeyPatch, work: Callable[[], None]) -> bool:
    """Do the work, and end it for good at its n-th step on the disk; whether it came so far."""
    count, dead = iter(range(10_000)), False

    def watched(real: Callable[..., object]) -> Callable[..., object]:
        def step(*args: object, **kwargs: object) -> object:
            nonlocal dead
            dead = dead or next(count) == number
            if dead:
                raise Killed
            return real(*args, **kwargs)

        return step

    with monkeypatch.context() as patched:
        for name in STEPS:
            patched.setattr(os, name, watched(getattr(os, name)))
        try:
            work()
        except Killed:
            return True
    return False
