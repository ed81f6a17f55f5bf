"""What a study has in the store: prompts, systems, replies, raters, verdicts."""
