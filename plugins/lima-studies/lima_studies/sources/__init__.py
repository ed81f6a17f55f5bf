"""Sources that make others' examples into the arms of a study: a number of them, or their responses alone."""
