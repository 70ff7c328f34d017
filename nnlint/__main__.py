"""`python -m nnlint`."""

from nnlint.cli import main

main()
