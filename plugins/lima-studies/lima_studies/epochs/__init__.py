"""The choice of an epoch, and what it costs to choose by the test set."""
