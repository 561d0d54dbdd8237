"""`python -m conebench`."""

from conebench.cli import main

main()
