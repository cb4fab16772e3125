"""Recipe -> plan of shards -> workers or parts -> data set; resume and merge."""

from synthgen.run.draw import render
from synthgen.run.generate import Report, generate
from synthgen.run.merge import merge
from synthgen.run.plan import Plan, make_plan
from synthgen.run.probe import Estimate, probe

__all__ = ["Estimate", "Plan", "Report", "generate", "make_plan", "merge", "probe", "render"]
