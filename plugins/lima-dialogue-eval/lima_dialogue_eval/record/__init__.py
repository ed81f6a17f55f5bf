"""The plugin's tables, and the rows of dialogue runs."""
