"""The second of two processes that share a pipeline: it loads the same one, and calls it when the first one does."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, TextIO

import msgspec

from fluxgate.strategies.parallel import joined
from fluxgate.strategies.promise import Site
from fluxgate.strategies.staging import as_results
from fluxgate.subjects.subject import Subject


def main() -> None:
    """Serve until nobody calls any more."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # libraries may print: an answer is a line of ours alone
    order = json.loads(sys.stdin.readline())
    settle(order["settings"])
    device = order["device"]
    site = Site(
        msgspec.convert(order["subject"], Subject),
        folder=Path(order["folder"]),
        device=device,
        scratch=Path(order["scratch"]),
        watch=lambda pipeline: None,
    )
    print("the second of two processes loads", file=sys.stderr)  # into the log of the case
    pipe = joined(site, order["kind"], rank=1, meeting=Path(order["meeting"]))
    pipe.set_progress_bar_config(disable=True)
    print("the second of two processes has joined", file=sys.stderr)
    print("done", file=answers)
    serve(pipe, device, answers)


def serve(pipe: Any, device: str, answers: TextIO) -> None:
    """Each line names the arguments of a call."""
    from safetensors.torch import load_file

    for line in sys.stdin:
        call = json.loads(line)
        tensors = load_file(call["file"], device=device)
        pipe(**call["plain"], **as_results(tensors))
        print("done", file=answers)


def settle(settings: dict[str, Any]) -> None:
    """Let torch choose as in the first process."""
    import torch

    torch.backends.cudnn.allow_tf32 = settings["allow_tf32"]
    torch.backends.cudnn.benchmark = settings["benchmark"]
    torch.backends.cudnn.deterministic = settings["deterministic"]
    torch.backends.cuda.matmul.allow_tf32 = settings["matmul"]
    torch.set_num_threads(settings["threads"])


if __name__ == "__main__":
    main()
