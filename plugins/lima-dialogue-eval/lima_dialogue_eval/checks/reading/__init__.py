"""What can be read out of a text: words and sentences, lists, tables and JSON, numbers, times and dates.

Knows nothing of checks: what it reads may be asked of a reply or of what was said before it.
"""
