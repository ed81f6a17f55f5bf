"""Verdicts taken elsewhere and back: tables for other programs, logs of Inspect, and ratings that are read again."""
