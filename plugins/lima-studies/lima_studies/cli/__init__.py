"""`lima study` and its commands."""
