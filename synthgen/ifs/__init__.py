"""Iterated function systems: affine contractions -> points -> pixels. Pure functions, usable from a notebook."""

from synthgen.ifs.chaos import density, gray_levels, render
from synthgen.ifs.files import load_systems
from synthgen.ifs.system import System, jitter_system, perturb_system, sample_system, scale_system

__all__ = [
    "System",
    "density",
    "gray_levels",
    "jitter_system",
    "load_systems",
    "perturb_system",
    "render",
    "sample_system",
    "scale_system",
]
