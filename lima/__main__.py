"""`python -m lima` is the `lima` command."""

from lima.cli import main

main()
