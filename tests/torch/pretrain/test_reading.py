"""Images are shared out so that all ranks take the same steps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.errors import UsageError
from synthgen.torch.pretrain import make_options
from synthgen.torch.pretrain.reading import share_out


@given(
    st.integers(2, 400),
    st.integers(2, 40),
    st.integers(1, 4),
    st.integers(0, 4),
    st.sampled_from(["map", "stream"]),
)
def test_every_rank_has_whole_batches_for_every_step(count, batch, world, workers, read):
    options = make_options(changes={"batch_size": batch * world})
    try:
        shares = share_out(count, read, options, world, workers)
    except UsageError as error:
        assert "batch_size must be <=" in str(error)
        readers = world * (max(1, workers) if read == "stream" else 1)
        assert count // readers < batch
        return
    readers = max(1, workers) if read == "stream" else 1
    # the least share that a rank, and a reader of it, can have
    assert shares.batch * shares.steps // readers <= count // world // readers
    assert shares.steps % readers == 0


def test_a_share_that_holds_out_no_image_is_refused():
    options = make_options(changes={"batch_size": 4, "val_share": 0.01})
    with pytest.raises(UsageError, match=r"val_share must hold out at least one of 40 images, got 0\.01"):
        share_out(40, "map", options, 1, 0)
