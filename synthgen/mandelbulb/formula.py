"""Names of Mandelbulb variants and hybrids, and the catalogues of the two published data sets."""

import re
from dataclasses import dataclass
from itertools import product

from synthgen.errors import UsageError

POWERS = range(2, 21)
RULES = range(512)

_VARIANT = re.compile(r"power(0|[1-9]\d{0,3})-rule(0|[1-9]\d{0,3})", re.ASCII)

_VAR_1K_RULES = (
    32, 40, 42, 68, 96, 105, 106, 107, 109, 132, 135, 141, 143, 151, 160, 161, 167, 168, 174, 175, 180,
    188, 190, 196, 197, 198, 204, 205, 222, 223, 225, 232, 238, 243, 244, 263, 271, 281, 297, 327, 331,
    332, 334, 360, 386, 388, 395, 397, 413, 416, 418, 424, 434, 451, 452, 461, 465, 481, 488, 506, 507,
)  # fmt: skip
# Hybrids: one of the other rules with powers 2..12, followed by one of these four with powers 2..11, or by
# the two that also come with power 12.
_NEVER_FIRST = frozenset((32, 40, 68, 96, 105, 109, 151, 190, 222, 223, 243, 297, 332, 360, 434, 506, 507))
_SECOND_RULES = {32: range(2, 12), 109: range(2, 13), 222: range(2, 12), 434: range(2, 13)}


@dataclass(frozen=True, order=True)
class Variant:
    """A Mandelbulb variant V(n, b) of Ugwu et al. 2024, section 3.2.

    Parameters
    ----------
    power : int
        The power n, 2..20.
    rule : int
        The nine rule bits b as a number, 0..511, rule 1 highest. Three bits an axis: cosine or sine, of phi
        or theta, with plus or minus.

    Raises
    ------
    UsageError
        If either lies out of range.
    """

    power: int
    rule: int

    def __post_init__(self):
        if not isinstance(self.power, int) or self.power not in POWERS:
            raise UsageError(f"power must be a whole number in 2..20, got {self.power!r}")
        if not isinstance(self.rule, int) or self.rule not in RULES:
            raise UsageError(f"rule must be a whole number in 0..511, got {self.rule!r}")

    @property
    def name(self) -> str:
        """``power9-rule40``."""
        return f"power{self.power}-rule{self.rule}"


@dataclass(frozen=True)
class Formula:
    """A variant, or a hybrid that applies two variants in turn.

    Parameters
    ----------
    first : Variant
    second : Variant, optional
        Applied after the first in each iteration of a hybrid.

    Examples
    --------
    >>> Formula.parse("power10-rule395_power4-rule222").second
    Variant(power=4, rule=222)
    >>> Formula(Variant(9, 40)).name
    'power9-rule40'
    """

    first: Variant
    second: Variant | None = None

    @classmethod
    def parse(cls, name: str) -> "Formula":
        """Return the formula of a name, ``powerN-ruleB`` or ``powerN-ruleB_powerM-ruleC``.

        Raises
        ------
        UsageError
            If the name has another form, or a number is out of range.
        """
        if not isinstance(name, str):
            raise UsageError(f"name must be a text, got {name!r}")

        parts = name.split("_")
        tried = map(_VARIANT.fullmatch, parts)
        matches = [match for match in tried if match is not None]
        if len(parts) > 2 or len(matches) < len(parts):
            form = "like 'power9-rule40' or 'power10-rule395_power4-rule222'"
            raise UsageError(f"name must be {form}, got {name[:80]!r}")

        variants = []
        for match in matches:
            power = int(match[1])
            rule = int(match[2])
            variants.append(Variant(power, rule))
        return cls(*variants)

    @property
    def name(self) -> str:
        """The name that `parse` reads."""
        return "_".join(variant.name for variant in self.variants)

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The one or two variants, in the order in which they are applied."""
        return (self.first,) if self.second is None else (self.first, self.second)


def catalogue(name: str) -> list[Formula]:
    """Return the formulas of a published data set, in its order of classes.

    Parameters
    ----------
    name : {"var-1k", "hybrid-21k"}
        MandelbulbVAR-1k: 61 rules with powers 2..18, by rule and then power. MandelbulbVAR-Hybrid-21k: the
        same 1,037 (the authors draw them with their hybrid shader, both halves alike, which is the same
        picture) and 20,328 ordered pairs, in the order of the published class list.

    Returns
    -------
    list of Formula
        1,037 or 21,365 formulas.

    Raises
    ------
    UsageError
        For another name.

    Notes
    -----
    Source: Chiche et al., "Pre-training Vision Models with Mandelbulb Variations", CVPR 2024; Ugwu et al.
    2024, section 3.2.
    """
    powers = range(2, 19)
    listed = _variants(_VAR_1K_RULES, powers)
    variants = [Formula(variant) for variant in listed]
    if name == "var-1k":
        return variants
    if name == "hybrid-21k":
        return _in_published_order(variants + _hybrids())
    raise UsageError(f"name must be 'var-1k' or 'hybrid-21k', got {name!r}")


def _hybrids() -> list[Formula]:
    first_rules = [rule for rule in _VAR_1K_RULES if rule not in _NEVER_FIRST]
    first_powers = range(2, 13)
    firsts = _variants(first_rules, first_powers)

    seconds = []
    for rule, powers in _SECOND_RULES.items():
        seconds += _variants([rule], powers)

    pairs = product(firsts, seconds)
    return [Formula(first, second) for first, second in pairs]


def _variants(rules, powers) -> list[Variant]:
    """Return all variants of some rules and powers, by rule and then power."""
    pairs = product(rules, powers)
    return [Variant(power, rule) for rule, power in pairs]


def _in_published_order(formulas: list[Formula]) -> list[Formula]:
    """Return formulas in the order of the published list: sorted names in four columns, read row by row."""
    ordered = sorted(formulas, key=lambda formula: formula.name)
    rows = -(-len(ordered) // 4)

    listed = []
    for row in range(rows):
        listed += ordered[row::rows]
    return listed
