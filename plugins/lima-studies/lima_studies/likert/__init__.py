"""Helpfulness from 1 to 6 (LIMA §5): the question, what was answered as scores, and the report."""
