"""Benchmarks that are killed and resumed: ``table.json`` ends as that of an undisturbed one, but for costs."""

import json
import shutil
import signal
import time
from pathlib import Path

import numpy as np

import synthgen
from attacks.damage import one_of
from attacks.kills import Run, children, group_of, kill, wait
from attacks.trials import Finding, Outcome, Trial
from synthgen.recipe import Recipe

CONFIG = """\
benchmark: killed
sets:
  noise: {path: noise, normal: noise-normal}
  cells: {path: cells, normal: cells-normal}
models:
  padim: {kind: padim, backbone: "random:test_resnet", layers: [1], channels: 8}
  floor: {kind: floor}
size: 48
threads: 1
seeds: [0, 1, 2]
"""
TEXTURES = {"noise": 0, "cells": 9}
# Of one folder, one after the other, before it is completed.
KILLS = 4
_VICTIMS = ("parent", "parent", "all", "worker")
# Of a job: how long after the record before it a process is killed, at most.
_MOST_S = 0.8
# How long a job is waited for.
_JOB_S = 240
# What a command takes before its first job, at most.
_START_S = 6.0


class Benchmarks:
    """Kills `synthgen benchmark` at any moment, whole or in parts, resumes it, and compares the tables."""

    kind = "benchmarks"
    count = 5

    def __init__(self, folder: Path):
        self.folder = folder
        self.config = folder / "killed.yaml"
        self.config.write_text(CONFIG)
        for name, texture in TEXTURES.items():
            values = {"family": "textures", "texture": texture, "size": 48}
            draw(folder / name, {**values, "layout": "test", "per_class": 3})
            draw(folder / f"{name}-normal", {**values, "classes": 1, "per_class": 12})
        self._run(folder / "whole").finish()
        self.wanted = told(folder / "whole")

    def trial(self, rng: np.random.Generator) -> Trial:
        """Kill a benchmark again and again, complete it, and look at its table."""
        folder = self.folder / f"killed-{rng.integers(2**32):08x}"
        said = []
        findings = []
        for _ in range(KILLS):
            part = one_of(rng, (None, None, f"{rng.integers(1, 3)}/2"))
            workers = int(rng.integers(0, 3))
            victim = one_of(rng, _VICTIMS)
            jobs = int(rng.integers(0, 3))
            seconds = float(rng.uniform(0, _MOST_S if jobs else _START_S))

            options = ["--workers", str(workers)]
            if part:
                options += ["--part", part]
            said.append(f"{victim} of part {part or 'all'}, {workers} workers, {seconds:.2f} s after {jobs} jobs")
            run = self._run(folder, *options)
            findings.append(killed(run, folder, victim, jobs, seconds))

        findings.append(self._run(folder, "--retry", "failed", "--workers", "0").finish())
        findings.append(self._compared(folder))
        shutil.rmtree(folder)
        return Trial("; ".join(said), findings, weight=KILLS)

    def _run(self, folder: Path, *options: str) -> Run:
        arguments = ("benchmark", self.config.name, "--out", folder.name, "--progress", "none", *options)
        return Run("run", *arguments, home=self.folder)

    def _compared(self, folder: Path) -> Finding:
        left = [path.name for path in folder.glob("*/**/*.tmp")]
        if left:
            return Finding("folder", Outcome.WRONG, f"unfinished files of jobs are left: {', '.join(left)}")
        if told(folder) != self.wanted:
            return Finding("table", Outcome.WRONG, "differs from that of an undisturbed run")
        return Finding("table", Outcome.RIGHT, "")


def draw(folder: Path, values: dict) -> None:
    """Draw a data set in this process."""
    synthgen.generate(Recipe.from_dict(values), folder, workers=0, progress=False)


def told(folder: Path) -> dict:
    """Return what the table of a folder says, but for what the jobs took."""
    table = json.loads((folder / "table.json").read_text())
    del table["costs"]
    return table


def killed(run: Run, folder: Path, victim: str, jobs: int, seconds: float) -> Finding:
    """Kill a run or some of it, some seconds after it has done so many jobs; return what came of it."""
    if jobs:
        after = done(folder) + jobs
        wait(run.process, lambda: done(folder) >= after, _JOB_S)
    wait(run.process, lambda: False, seconds)

    parent = run.process.pid
    workers = children(parent)
    targets = {"parent": [parent], "worker": workers[:1] or [parent], "all": [parent, *workers]}[victim]
    for target in targets:
        kill(target)
    # A job whose worker was killed has failed, and the run goes on; a run may be over before the signal comes.
    finding = run.finish((0, 1, -signal.SIGKILL))

    end = time.monotonic() + 10
    while any(group_of(worker) is not None for worker in workers):
        if time.monotonic() > end:
            return Finding(run.name, Outcome.HANG, "its workers outlive it by 10 s")
        time.sleep(0.02)
    return finding


def done(folder: Path) -> int:
    """Return how many jobs have a record."""
    records = folder.glob("jobs/*/*/*/seed-*.json")
    return len(list(records))
