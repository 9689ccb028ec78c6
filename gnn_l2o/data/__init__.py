"""What the files in ``datasets/`` share: splits over the nodes, images, and where real data comes from."""
