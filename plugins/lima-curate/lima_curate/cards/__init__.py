"""`lima sources card` and `licence`: what a data set is, and what it owes to whom."""
