"""Peak memory of a worker, for 2,000 and for 20,000 samples in one shard. The aim is under 400 MB, and flat.

python benchmarks/memory.py
"""

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

SAMPLES = (2_000, 20_000)


def draw(samples: int) -> None:
    """Write one shard in this process, and print its peak memory in MB."""
    from synthgen.recipe import Recipe
    from synthgen.run import make_plan
    from synthgen.run.shard import write_shard

    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "shards").mkdir()
        values = {"family": "fractals", "classes": samples, "per_class": 1, "storage": {"shard_size": samples}}
        write_shard(make_plan(Recipe.from_dict(values)), Path(name), 0, lambda n: None)
        size = next((Path(name) / "shards").glob("*.h5")).stat().st_size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"  {samples:7,d} samples, shard of {size / 1e6:6.1f} MB: peak {peak / 1e3:6.1f} MB")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        draw(int(sys.argv[1]))
    else:
        for count in SAMPLES:
            subprocess.run([sys.executable, __file__, str(count)], check=True)
