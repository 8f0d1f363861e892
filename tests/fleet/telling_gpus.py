"""A process on a node that tells which GPUs each job has, for test_job_runner.py."""

import os
from pathlib import Path

from fluxgate.fleet.job import News
from fluxgate.fleet.serving import VISIBLE, NextJob, Tell, serve


def tell_gpus(next_job: NextJob, folder: Path, tell: Tell) -> None:
    while True:
        job = next_job()
        tell(News(says=f"{job.decode()} {os.environ.get(VISIBLE)}"))
        tell(News(ended=True))


if __name__ == "__main__":
    serve(tell_gpus)
