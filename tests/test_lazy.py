import importlib

import pytest

PACKAGES = (
    "synthgen", "synthgen.compose", "synthgen.surface", "synthgen.texture", "synthgen.torch",
    "synthgen.torch.models", "synthgen.torch.pretrain", "synthgen.torch.refinement",
)  # fmt: skip


@pytest.mark.parametrize("name", PACKAGES)
def test_every_name_of_a_package_loads_and_is_listed(name):
    package = importlib.import_module(name)
    listed = dir(package)
    for each in package.__all__:
        assert getattr(package, each) is not None
        assert each in listed


@pytest.mark.parametrize("name", PACKAGES)
def test_a_name_that_is_not_there_is_an_attribute_error(name):
    package = importlib.import_module(name)
    with pytest.raises(AttributeError, match=f"'{name}' has no attribute 'nothing'"):
        package.nothing  # noqa: B018
