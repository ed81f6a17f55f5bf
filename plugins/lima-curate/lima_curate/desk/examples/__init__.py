"""One example under a person's hands: its turns, what is done to them, and what is noted of it. Knows no database and no page."""
