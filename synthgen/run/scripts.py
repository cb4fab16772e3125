"""Job scripts of batch systems: a data set as an array of jobs, each of which draws a part."""

import math
import shlex

import msgspec

from synthgen.errors import UsageError
from synthgen.run.estimate import Estimate

# A job is asked for this many times of what the probe says, and for a start: nodes differ, and others run there.
_TIMES_ESTIMATE = 2
_START_MINUTES = 10

_SLURM = """\
#!/bin/bash
#SBATCH --job-name={name}
#SBATCH --array=1-{jobs}
#SBATCH --cpus-per-task={cpus}
#SBATCH --time={hours}:{minutes:02d}:00
#SBATCH --output={name}-%A-%a.log
#SBATCH --requeue
# A task that was killed is sent again as it is: finished shards are kept.
srun {command}
"""


def share_of_job(estimate: Estimate, jobs: int) -> Estimate:
    """Return what the largest of so many jobs will draw.

    Raises
    ------
    UsageError
        If there are more jobs than shards.
    """
    if not 1 <= jobs <= estimate.shards:
        raise UsageError(f"jobs must lie in 1..{estimate.shards}, the number of shards, got {jobs}")
    shards = math.ceil(estimate.shards / jobs)
    samples = math.ceil(estimate.samples * shards / estimate.shards)
    return msgspec.structs.replace(estimate, shards=shards, samples=samples)


def slurm_script(
    name: str, estimate: Estimate, jobs: int, workers: int, words: list[str], processes: int | None = None
) -> str:
    """Return a script for Slurm's ``sbatch``.

    Parameters
    ----------
    name : str
        Of the job.
    estimate : Estimate
        Of the whole data set.
    jobs : int
    workers : int
        CPUs of a job.
    words : list of str
        The command that draws, without the options that the script adds.
    processes : int, optional
        How many of the CPUs' processes draw at a time, where one of them uses the whole device.
    """
    share = share_of_job(estimate, jobs)
    seconds = share.seconds(workers if processes is None else processes)
    minutes = _START_MINUTES + math.ceil(_TIMES_ESTIMATE * seconds / 60)
    command = shlex.join([*words, "--part", "auto", "--workers", str(workers), "--progress", "plain"])
    return _SLURM.format(
        name=name,
        jobs=jobs,
        cpus=max(1, workers),
        hours=minutes // 60,
        minutes=minutes % 60,
        command=command,
    )
