"""`lima curate`: people accept, edit and reject examples, on a page or in the terminal."""
