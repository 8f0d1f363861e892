"""The one command that trains the miniature."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from fluxgate.miniature.training.course import STAGES, Order, run
from fluxgate.refusal import Refusal


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="python -m fluxgate.miniature.training", description=__doc__)
    result.add_argument("--out", type=Path, required=True, help="folder for the pipeline and the checkpoint")
    result.add_argument("--minutes", type=float, required=True, help="how long this run trains")
    result.add_argument("--resume", type=Path, help="go on from an out folder, maybe the same one")
    result.add_argument(
        "--stage",
        choices=STAGES,
        default="all",
        help="the autoencoder, the rest, both (default), T5 alone without pictures, or the decoder alone",
    )
    result.add_argument("--goal", type=float, default=0.0, help="minutes of the whole training, over several runs")
    result.add_argument(
        "--vae-minutes", type=float, default=0.0, help="minutes for the autoencoder (default: a quarter)"
    )
    result.add_argument(
        "--workers", type=int, default=max(1, (os.cpu_count() or 2) - 1), help="drawing processes for each device"
    )
    result.add_argument("--processes", type=int, default=0, help="devices to train on (default: every GPU)")
    result.add_argument("--seed", type=int, default=0)
    result.add_argument("--toy", action="store_true", help="tiny shapes: tries every part in seconds on a CPU")
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    try:
        run(Order(**vars(parser().parse_args(arguments))))
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return refusal.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
