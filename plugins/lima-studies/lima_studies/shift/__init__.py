"""Token shift: how a base ranks, token by token, what a fine-tune of it writes."""
