"""Problems from datasets, and what the files in ``datasets/`` share: splits, images, and the sources of real data."""
