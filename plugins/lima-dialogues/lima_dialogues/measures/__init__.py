"""What can be measured about dialogues: whether turns lean on each other, lengths, forms, names, spelling."""
