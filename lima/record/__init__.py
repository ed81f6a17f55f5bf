"""The SQLite file and everything that is written to it; the only place with SQL on the core's tables."""
