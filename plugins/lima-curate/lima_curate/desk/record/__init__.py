"""What was done to examples, in the database: curations, their candidates, each person's events, and what counts of them."""
