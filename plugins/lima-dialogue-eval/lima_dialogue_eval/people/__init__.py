"""People who grade: studies, events and progress, the pages and the terminal on which they grade."""
