"""Conversations that a person holds with a model, or grades while they are held (LIMA §6)."""
