"""The prompts of a study: its own sixty, LIMA's release, or any file, and how far each is from what was trained on."""
