"""Grids of runs: arms with fine-tunes each, trained as ordinary runs, evaluated, and continued where they were stopped."""
