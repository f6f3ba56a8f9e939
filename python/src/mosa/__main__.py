"""`python -m mosa` is the command `mosa`."""

from ._launcher import main

main()
