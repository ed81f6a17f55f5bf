"""A checkpoint that replies to prompts."""
