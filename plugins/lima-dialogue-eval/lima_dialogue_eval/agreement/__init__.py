"""How far people, judges and checks agree on the same replies."""
