"""Folders that look like pipelines: every file that is looked for, and nothing in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fluxgate.miniature.architecture import MODEL_INDEX

FLUX: dict[str, Any] = {**MODEL_INDEX, "image_encoder": [None, None], "requires_aesthetics_score": False}


def hollow_pipeline(folder: Path, index: dict[str, Any] = FLUX) -> Path:
    """A folder with an index, and for each component its configuration and a file for its weights."""
    folder.mkdir(parents=True)
    (folder / "model_index.json").write_text(json.dumps(index))
    for name, origin in index.items():
        if isinstance(origin, list) and origin[1]:
            write_component(folder / name, origin[1])
    return folder


def write_component(component: Path, class_name: str) -> None:
    component.mkdir()
    if "Scheduler" in class_name:
        (component / "scheduler_config.json").write_text("{}")
    elif "Tokenizer" in class_name:
        (component / "tokenizer_config.json").write_text("{}")
    elif "Processor" in class_name:
        (component / "preprocessor_config.json").write_text("{}")
    else:
        (component / "config.json").write_text("{}")
        (component / "diffusion_pytorch_model.safetensors").write_bytes(b"")
