"""Scores of arms by prompt, whoever gave them: means, comparisons, curves over sizes, and the choice of a checkpoint."""
