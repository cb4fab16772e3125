"""The name under which `synthgen.metrics` is known to users of the companion."""

from synthgen.metrics import *  # noqa: F403
