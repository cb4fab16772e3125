"""Job scripts: as many tasks as jobs, time for the largest, and a command that draws its part."""

import re

import pytest
from click.testing import CliRunner

from synthgen.cli import cli
from synthgen.errors import UsageError
from synthgen.run.estimate import Estimate
from synthgen.run.scripts import share_of_job, slurm_script

HOUR = Estimate(seconds_per_sample=3.6, bytes_per_sample=10.0, samples=1000, shards=10)


def test_the_largest_job_has_the_shards_of_a_round():
    assert share_of_job(HOUR, 4).shards == 3
    assert share_of_job(HOUR, 4).samples == 300
    assert share_of_job(HOUR, 1) == HOUR


@pytest.mark.parametrize("jobs", [0, 11])
def test_no_job_is_without_a_shard(jobs):
    with pytest.raises(UsageError, match=r"jobs must lie in 1..10, the number of shards"):
        share_of_job(HOUR, jobs)


def test_a_script_of_slurm_asks_for_the_time_of_the_largest_job_twice():
    script = slurm_script("plates", HOUR, 5, 2, ["synthgen", "run", "my plates.yaml", "--out", "/shared/d"])
    assert script.startswith("#!/bin/bash\n#SBATCH --job-name=plates\n#SBATCH --array=1-5\n")
    assert "#SBATCH --cpus-per-task=2\n" in script
    # 2 shards of 100 samples, one on each CPU: 6 minutes, twice, after 10 minutes
    assert "#SBATCH --time=0:23:00\n" in script
    # a device that one process uses whole: one after the other
    alone = slurm_script("bulbs", HOUR, 5, 2, ["synthgen"], processes=1)
    assert "#SBATCH --cpus-per-task=2\n" in alone
    assert "#SBATCH --time=0:35:00\n" in alone
    command = "srun synthgen run 'my plates.yaml' --out /shared/d --part auto --workers 2 --progress plain\n"
    assert script.endswith(command)


def test_the_command_prints_a_script_that_draws_the_recipe(make_recipe, tmp_path):
    recipe = tmp_path / "small.yaml"
    recipe.write_text(make_recipe().to_yaml())
    words = ["plan", str(recipe), "--set", "seed=4", "--jobs", "3", "--workers", "1"]
    script = CliRunner().invoke(cli, [*words, "--slurm", "--out", "s3://bucket/x"], standalone_mode=False).stdout
    (command,) = re.findall(r"^srun (.*)$", script, re.MULTILINE)
    assert command.startswith(f"synthgen run {recipe} --set seed=4 --out s3://bucket/x --part auto --workers 1")

    lines = CliRunner().invoke(cli, words, standalone_mode=False).stdout.splitlines()
    assert lines[1].startswith("3 jobs of up to 2 shards, ")
    alone = CliRunner().invoke(cli, ["plan", str(recipe), "--slurm"], standalone_mode=False).exception
    assert str(alone) == "--slurm needs --jobs N"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["plan", "fractals-1k", "--workers", "-3"], "--workers must lie in 0..4096, got -3"),
        (["plan", "fractals-1k", "--jobs", "2", "--slurm", "--json"], "--slurm must not go with --json"),
        (["plan", "fractals-1k", "--out", "x"], "--out must go with --slurm"),
        (["fractals", "--dry-run", "--workers", "-7"], "--workers must lie in 0..4096, got -7"),
        (["fractals", "--dry-run", "--part", "9/2"], "--part must be K/N"),
        (["fractals", "--dry-run", "--gpus-per-task", "-4"], "--gpus-per-task must lie in"),
        (["fractals", "--dry-run", "--scratch", "x"], "--scratch must go with an address"),
    ],
)
def test_a_plan_refuses_what_a_run_would_refuse(words, error):
    found = CliRunner().invoke(cli, words, standalone_mode=False).exception
    assert str(found).startswith(error)
