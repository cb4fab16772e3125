"""Parts with a shape: reading meshes, seeing them from a camera, and drawing stains and defects on them."""
