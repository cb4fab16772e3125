"""A training that was interrupted ends as one that was not, and its losses are written down."""

import pytest
import torch
from torch import nn

from synthgen.errors import FormatError, UsageError
from synthgen.torch.course import Course, Kept, Optimizers, shuffled

DATA = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))


class Stop(Exception):
    """What ends a training too early, as a kill does."""


def trained(steps, kept=None, stop=None, data=DATA, made=None):
    """Train a small network with dropout for some steps; return its weights and the history."""
    torch.manual_seed(5)
    network = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
    optimizer = made(network) if made else torch.optim.Adam(network.parameters(), 0.1)
    with Course(network, optimizer, steps, 7, "it", kept, [data], progress="none") as course:
        for step in course:
            if step == stop:
                raise Stop
            rows = data[shuffled(len(data), 6, 7, "test", step)]
            loss = network(rows).square().mean()
            course.descend(loss, half=loss / 2)
    return network.state_dict(), course.history


def two(network):
    """Return an optimizer for each of the layers."""
    first = torch.optim.AdamW(network[0].parameters(), 0.1)
    return Optimizers([first, torch.optim.SGD(network[2].parameters(), 0.1, momentum=0.9)])


@pytest.mark.parametrize("made", [None, two])
def test_a_training_that_was_killed_ends_with_the_same_weights_and_losses(tmp_path, made):
    whole, history = trained(9, made=made)
    kept = Kept(tmp_path, tmp_path / "losses.csv", seconds=0)
    with pytest.raises(Stop):
        trained(9, kept, stop=5, made=made)
    again, of_both = trained(9, kept, made=made)

    assert all(torch.equal(whole[name], again[name]) for name in whole)
    assert history == of_both
    lines = (tmp_path / "losses.csv").read_text().splitlines()
    assert lines[0] == "step,loss,half"
    assert [line.split(",")[0] for line in lines[1:]] == [str(step) for step in range(1, 10)]


def test_a_long_training_has_a_row_for_the_mean_of_several_steps(monkeypatch):
    _, whole = trained(9)
    monkeypatch.setattr("synthgen.torch.course.ROWS", 4)
    _, history = trained(9)
    assert [row["step"] for row in history] == [3, 6, 9]
    assert history[0]["loss"] == sum(row["loss"] for row in whole[:3]) / 3


def test_a_checkpoint_of_other_data_is_refused(tmp_path):
    kept = Kept(tmp_path, tmp_path / "losses.csv", seconds=0)
    with pytest.raises(Stop):
        trained(9, kept, stop=2)
    with pytest.raises(FormatError, match="it is of another training"):
        trained(9, kept, data=DATA + 1)


def test_the_state_of_chance_of_others_stays_as_it_was():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    network = nn.Linear(4, 1)
    torch.manual_seed(3)
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    with Course(network, optimizer, 2, 0, "it", progress="none") as course:
        for _ in course:
            course.descend(network(DATA).mean())
    assert torch.equal(torch.rand(1), expected)


def test_a_loss_that_is_no_number_ends_the_training():
    with pytest.raises(UsageError, match=r"^it does not learn from these images: its loss is inf in step 1$"):
        trained(2, data=torch.full((20, 4), 1e30))


def test_every_image_comes_once_in_an_epoch():
    places = [shuffled(10, 4, 0, "test", step).tolist() for step in range(6)]
    assert [len(each) for each in places] == [4, 4, 2] * 2
    first = [place for each in places[:3] for place in each]
    second = [place for each in places[3:] for place in each]
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
