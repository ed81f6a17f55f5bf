"""More examples of the same source: a grid of sizes, and the curve of its scores."""
