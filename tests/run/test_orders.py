"""What workers are told, and what they refuse to draw."""

import json

import msgspec
import pytest

from synthgen.errors import UsageError
from synthgen.run.orders import Order, order_of, prepared
from synthgen.run.plan import make_plan
from synthgen.run.target import Target


@pytest.fixture
def plan(make_recipe):
    return make_plan(make_recipe())


def test_an_order_is_text_and_gives_the_same_plan(plan):
    order = order_of(plan, Target("d"))
    text = json.dumps(order.to_dict())
    received = Order.from_dict(json.loads(text))
    assert received.to_dict() == json.loads(text)
    assert prepared(received).run == plan.run


def changed(print_of):
    return lambda plan: msgspec.structs.replace(plan.run.fingerprints, **{print_of: "0" * 64})


# what differs where an order is carried out -> what is said of it
REFUSED = [
    ("versions", lambda plan: {**plan.run.versions, "numpy": "1.0"}, "numpy is 1.0 there, "),
    ("fingerprints", changed("data"), "the files that samples are made of must be the same for all workers"),
    ("fingerprints", changed("storage"), "the fingerprints differ"),
]


@pytest.mark.parametrize(("name", "value", "words"), REFUSED)
def test_workers_that_would_draw_other_bytes_refuse_to(plan, name, value, words):
    order = msgspec.structs.replace(order_of(plan, Target("d")), **{name: value(plan)})
    with pytest.raises(UsageError, match=words):
        prepared(order)
