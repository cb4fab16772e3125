"""Recipe -> plan of shards -> workers or parts -> data set; resume and merge."""

from synthgen.run.draw import render
from synthgen.run.estimate import Estimate, probe
from synthgen.run.gather import merge
from synthgen.run.job import Report, generate
from synthgen.run.plan import Plan, make_plan

__all__ = ["Estimate", "Plan", "Report", "generate", "make_plan", "merge", "probe", "render"]
