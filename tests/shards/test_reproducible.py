"""Equal pixels give equal bytes in every process: address-space randomization must not show."""

import subprocess
import sys

# Inputs that provoke a fault of ISA-L's deflate (levels 1 and 2): four random bytes near the start of a stream that
# come again 70 bytes later. At level 1, without the remedy, every process prints another digest.
CODE = """
import hashlib
import numpy as np
from synthgen.shards.codecs import encode
rng = np.random.default_rng(7)
digest = hashlib.sha256()
for k in range(10_000):
    pixels = np.zeros((1, int(rng.integers(90, 400))), np.uint8)
    start = k % 8
    pixels[0, start : start + 4] = pixels[0, start + 70 : start + 74] = rng.integers(0, 256, 4)
    if k % 3 == 0:
        pixels[:] = rng.integers(0, 3, pixels.shape)
    digest.update(encode(pixels, "png"))
print(digest.hexdigest())
"""
PROCESSES = 20


def test_all_processes_write_the_same_bytes():
    runs = [
        subprocess.Popen([sys.executable, "-c", CODE], stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)
    ]
    digests = {run.communicate()[0] for run in runs}
    assert [run.returncode for run in runs] == [0] * PROCESSES
    assert len(digests) == 1
