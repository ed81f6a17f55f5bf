"""What the grades of a grader are worth."""
