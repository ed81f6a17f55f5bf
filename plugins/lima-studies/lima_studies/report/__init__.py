"""One report a study: a page, and the same as JSON."""
