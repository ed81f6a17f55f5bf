"""What is asked and who grades it: found, read, known by hash."""
