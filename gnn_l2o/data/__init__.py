"""What the files in ``datasets/`` share: splitting samples over nodes, images, and the sources of real data."""
