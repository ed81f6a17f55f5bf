"""What the core and its plugins agree on, and nothing else: nouns, hooks, and a Protocol for each registered kind."""
