"""Numbers of things in words. Knows nothing of what they are."""


def count_of(number: int, one: str, many: str = "") -> str:
    """'1 prompt', '2,000 prompts'; `many` where the plural is not `one` with an s"""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
