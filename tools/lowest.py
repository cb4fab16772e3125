"""Print the oldest versions that setup.cfg allows, as constraints for pip.

    python tools/lowest.py torch test > constraints.txt
    pip install -c constraints.txt -e ".[torch,test]"

The core's requirements are always among them; the arguments are extras. An extra that names others of this package
brings theirs.
"""

import re
import sys
from configparser import ConfigParser
from pathlib import Path

SETUP = Path(__file__).parents[1] / "setup.cfg"
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+) *>= *([0-9][0-9.]*)")
_OWN = re.compile(r"synthgen-vision\[(.*)\]")


def lowest(extras: list[str]) -> dict[str, str]:
    """Return package -> oldest version for the core and some extras."""
    config = ConfigParser()
    config.read(SETUP)
    known = config["options.extras_require"]
    lines = config["options"]["install_requires"].splitlines()

    waiting = list(extras)
    while waiting:
        for line in known[waiting.pop()].splitlines():
            own = _OWN.match(line.strip())
            if own:
                waiting += own[1].split(",")
            else:
                lines.append(line)

    found = (_REQUIREMENT.match(line.strip()) for line in lines)
    return {match[1]: match[2] for match in found if match}


if __name__ == "__main__":
    for name, version in sorted(lowest(sys.argv[1:]).items()):
        print(f"{name}=={version}")
