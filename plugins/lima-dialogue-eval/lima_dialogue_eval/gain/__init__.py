"""History gain: how much a model uses what was said before."""
