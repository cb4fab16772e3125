import gzip
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.errors import UsageError
from synthgen.mandelbulb import Formula, Variant, catalogue

PUBLISHED_LIST = Path(__file__).parent / "data" / "hybrid_classes.txt.gz"

variants = st.builds(Variant, st.integers(2, 20), st.integers(0, 511))
formulas = st.builds(Formula, variants, st.none() | variants)


@given(formulas)
def test_name_is_read_back(formula):
    assert Formula.parse(formula.name) == formula


@given(st.text(max_size=40))
def test_any_other_text_is_refused_with_our_error(text):
    with pytest.raises(UsageError, match="name must be like"):
        Formula.parse(text)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("power1-rule3", "power must be"),
        ("power21-rule3", "power must be"),
        ("power9-rule600", "rule must be"),
        ("power9-rule512_power2-rule3", "rule must be"),
        ("power9rule40", "must be like"),
        ("power09-rule40", "must be like"),
        ("power9-rule40_power2-rule3_power2-rule4", "must be like"),
        ("power9-rule40_", "must be like"),
        ("power9-rule٤", "must be like"),
        ("", "must be like"),
        (None, "must be a text"),
    ],
)
def test_bad_names_name_the_rule(name, rule):
    with pytest.raises(UsageError, match=rule):
        Formula.parse(name)


@pytest.mark.parametrize(("power", "rule"), [(2.0, 3), (2, "3"), (-1, 3), (2, -1)])
def test_variant_takes_whole_numbers_in_range(power, rule):
    with pytest.raises(UsageError, match="must be a whole number"):
        Variant(power, rule)


@pytest.mark.parametrize(
    ("name", "count", "digest"),
    [
        ("var-1k", 1037, "472924d63636cdcc102d99d316cb54252a51901de454ba204f528ecd37a1da74"),
        ("hybrid-21k", 21365, "5646eb6d1757eca36ee23d7ee9304ffcd3c402cfd6b6c4d37c1dad09b7db6ed8"),
    ],
)
def test_catalogue_has_the_published_classes_in_order(name, count, digest):
    names = [formula.name for formula in catalogue(name)]
    assert len(names) == len(set(names)) == count
    assert hashlib.sha256("\n".join(names).encode()).hexdigest() == digest


def test_hybrid_catalogue_equals_the_published_list():
    published = gzip.decompress(PUBLISHED_LIST.read_bytes()).decode().split()
    assert [formula.name for formula in catalogue("hybrid-21k")] == published


def test_unknown_catalogue_is_refused():
    with pytest.raises(UsageError, match="'var-1k' or 'hybrid-21k', got 'var-2k'"):
        catalogue("var-2k")
