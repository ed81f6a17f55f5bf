"""`lima mix`: several sources, filtered and drawn, as one frozen data set."""
