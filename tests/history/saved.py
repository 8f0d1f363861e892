"""Files as pytest-benchmark saves them, made by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def save(
    store: Path, number: int, value: float, *, figure: str = "step, seconds", versions: Sequence[str] = (), **case: Any
) -> Path:
    """One session with one case; the stack has the version that stands at its number, or the last there is."""
    version = versions[min(number, len(versions) - 1)] if versions else "0.42.1"
    entry = {"case": "tiny-full", "strategy": "full", "recipe": "a", "figures": {figure: value}, **case}
    content = {
        "datetime": f"2026-{1 + number // 28:02}-{1 + number % 28:02}T12:00:00+00:00",
        "version": "5.3.1",
        "machine_info": {
            "node": "somewhere",
            "cpu": {"brand_raw": "A CPU"},
            "fluxgate": {"machine": "h100", "processor": "A CPU", "stack": {"diffusers": version}, "name": "H100"},
        },
        "commit_info": {"id": f"{number:040x}", "dirty": False},
        "benchmarks": [
            {"name": "test_seconds", "extra_info": {"fluxgate": entry}, "stats": {"mean": 1.0, "rounds": 3}}
        ],
    }
    path = store / "Linux-CPython-3.11-64bit" / f"{number:04}_commit.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path
