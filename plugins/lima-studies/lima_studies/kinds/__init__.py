"""One module for each kind of study: what it asks, and what its report says."""
