"""What changed between arms, and the tests that decide."""
