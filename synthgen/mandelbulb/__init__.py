"""Mandelbulb variants and hybrids: formulas, views, and a ray marcher that needs no GPU.

Source: Ugwu et al. 2024, section 3.2. Neither pyopencl nor numba is imported before the first picture is drawn.
"""

from synthgen.mandelbulb.devices import Device, choose_device, list_devices
from synthgen.mandelbulb.formula import Formula, Variant, catalogue
from synthgen.mandelbulb.renderer import Rendering, rays_per_second, render
from synthgen.mandelbulb.view import View

__all__ = [
    "Device",
    "Formula",
    "Rendering",
    "Variant",
    "View",
    "catalogue",
    "choose_device",
    "list_devices",
    "rays_per_second",
    "render",
]
