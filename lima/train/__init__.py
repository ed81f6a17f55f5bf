"""A run: from a recipe to a checkpoint folder."""
