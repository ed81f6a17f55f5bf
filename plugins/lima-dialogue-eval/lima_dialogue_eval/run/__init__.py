"""Runs of evaluations: held, graded, resumed, graded again, priced."""
