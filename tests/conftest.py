"""What several tests share: a small pipeline on disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHIPPED = Path(__file__).parents[1] / "suite/subjects/miniature/pipeline"


@pytest.fixture(scope="session")
def miniature_folder() -> Path:
    """The miniature's pipeline, or another of its shapes that FLUXGATE_MINIATURE names."""
    for folder in (SHIPPED, Path(os.environ.get("FLUXGATE_MINIATURE", SHIPPED))):
        if (folder / "model_index.json").is_file():
            return folder
    pytest.skip(f"no pipeline in {SHIPPED}, and FLUXGATE_MINIATURE names none")
