"""Local pages: a server on 127.0.0.1 for people with a link, and for nobody else. Knows nothing of what the pages show."""
