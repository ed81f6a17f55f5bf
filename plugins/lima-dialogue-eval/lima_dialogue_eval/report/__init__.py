"""Comparisons and conversations as people read them: pages and the terminal."""
