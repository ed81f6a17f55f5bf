"""Conversations as they are held, and what a reply in one is graded by."""
