"""Parts with a shape: reading meshes, seeing them from a camera, and painting stains and defects on them."""
