"""What stays in a data set: rules on one example, and on all of them."""
