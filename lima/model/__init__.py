"""A folder on disk → a model that is ready to train or to answer."""
