"""Formulas of classes and samples, for people: affine maps as numbers, rules of Mandelbulbs as equations."""

import math

from synthgen.errors import UsageError
from synthgen.ifs.system import System

_AXES = "xyz"


def formula_of(record: dict) -> dict | None:
    """Return the formula that a class or a sample records, or None if it has none that we can show.

    Parameters
    ----------
    record : dict
        A line of the class table, or the parameters of a sample.

    Returns
    -------
    dict or None
        ``text``: lines. ``maps``, if there are affine maps: for each the rows of A with b as last column.

    Examples
    --------
    >>> formula_of({"variants": [{"power": 9, "rule": 40}]})["text"][1:]
    ['x = r⁹ cos(9 φ) + cx', 'y = -r⁹ sin(9 φ) + cy', 'z = r⁹ cos(9 φ) + cz']
    """
    if "maps" in record:
        return _of_maps(record["maps"])
    if "variants" in record:
        lines = [line for variant in record["variants"] for line in _of_variant(variant)]
        return {"text": lines}
    return None


def _of_maps(maps) -> dict | None:
    try:
        system = System(maps)
    except (UsageError, TypeError, ValueError):
        return None  # a family of somebody else, whose maps are other things
    factor = system.sigma_factor
    if not math.isfinite(factor):
        return None
    text = [f"{len(system.maps)} affine maps, sigma factor {factor:.4f}"]
    return {"text": text, "maps": system.maps.tolist()}


def _of_variant(variant: dict) -> list[str]:
    """Return the equations of a variant V(n, b). The three bits of an axis are cos or sin, phi or theta, + or -."""
    power = variant["power"]
    rule = variant["rule"]
    lines = [f"V({power}, {rule:09b})"]
    for number, axis in enumerate(_AXES):
        bits = rule >> (6 - 3 * number)
        wave = "sin" if bits & 4 else "cos"
        angle = "θ" if bits & 2 else "φ"
        sign = "-" if bits & 1 else ""
        lines.append(f"{axis} = {sign}r{_raised(power)} {wave}({power} {angle}) + c{axis}")
    return lines


def _raised(number: int) -> str:
    """Return a number as an exponent."""
    return str(number).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
