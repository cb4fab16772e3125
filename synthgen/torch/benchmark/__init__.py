"""Benchmarks: every model of a list on every category of some data sets, each result kept as it comes, and tables.

The unit is a job: one model, one category of one data set, one seed. Nothing in a job depends on another, so any
number of workers, parts and kills gives the same results. `synthgen.torch.benchmark.config` says what a benchmark
is, `jobs` what its jobs are, `running` does them, `tables` reads their records.

The parent of a run never loads torch; its workers do.

>>> from synthgen.torch.benchmark import load_benchmark, run_benchmark
"""

from synthgen.torch.benchmark.config import Benchmark, load_benchmark
from synthgen.torch.benchmark.merge import merge
from synthgen.torch.benchmark.results import read_results
from synthgen.torch.benchmark.running import run_benchmark

__all__ = ["Benchmark", "load_benchmark", "merge", "read_results", "run_benchmark"]
