"""What a worker is told: the plan in a form that can be sent, and where its shards go."""

import msgspec

from synthgen.errors import UsageError
from synthgen.recipe import Recipe
from synthgen.run.plan import Plan, make_plan
from synthgen.run.target import Target
from synthgen.shards.manifest import Fingerprints, Stage, version_changes


class Order(msgspec.Struct, frozen=True):
    """A plan as it is sent to another process, or to another machine.

    Attributes
    ----------
    recipe : dict
    fingerprints : Fingerprints
        Those of the plan, which the worker's own must match.
    versions : dict
        Of the libraries that the plan was made with.
    grown_from : list of Stage
    target : Target
        Where the shards go.
    """

    recipe: dict
    fingerprints: Fingerprints
    versions: dict[str, str]
    grown_from: list[Stage]
    target: Target

    def to_dict(self) -> dict:
        """Return the order as JSON-able values."""
        return msgspec.to_builtins(self)

    @classmethod
    def from_dict(cls, values: dict) -> "Order":
        """Return an order from what `to_dict` returned."""
        return msgspec.convert(values, cls)


def order_of(plan: Plan, target: Target) -> Order:
    """Return the order to draw shards of a plan."""
    run = plan.run
    return Order(plan.recipe.to_dict(), run.fingerprints, run.versions, run.grown_from, target)


def prepared(order: Order) -> Plan:
    """Return the plan of an order.

    Raises
    ------
    UsageError
        If other libraries, or other input files, are found where the order is carried out: the shards would have
        other bytes.
    """
    plan = make_plan(Recipe.from_dict(order.recipe), order.grown_from)
    changes = version_changes(order.versions, plan.run.versions)
    if changes:
        found = ", ".join(changes)
        raise UsageError(f"workers must have the libraries of the process that began the run: {found}")
    if plan.run.fingerprints.data != order.fingerprints.data:
        raise UsageError(
            "the files that samples are made of must be the same for all workers, during all of a run; some differ"
        )
    if plan.run.fingerprints != order.fingerprints:
        raise UsageError("workers must store samples as the process that began the run; the fingerprints differ")
    return plan
