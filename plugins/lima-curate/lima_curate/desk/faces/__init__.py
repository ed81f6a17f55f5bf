"""What people see of a curation: a local page, and the terminal."""
