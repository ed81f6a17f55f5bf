"""The figures of a study, from its rows."""
