"""Draw a single fractal, and one detail of it, from Python.

python examples/draw_one.py
"""

import numpy as np
from PIL import Image

import synthgen


def main(folder: str = ".") -> None:
    """Write a fractal and a detail of it as PNG files."""
    system = synthgen.ifs.sample_system(np.random.default_rng(3), maps=3)
    for name, region in (("fractal", None), ("detail", (-0.5, -0.5, 0.5, 0.5))):
        density = synthgen.ifs.render(system, size=512, points=2_000_000, region=region)
        Image.fromarray((255 * density**0.3).astype(np.uint8)).save(f"{folder}/{name}.png")
    print(system.sigma_factor, system.probabilities)


if __name__ == "__main__":
    main()
