"""Runs a user's script up to its first training step and goes on from there, in processes of its own.

`supervise` is the side of nnlint's own process and never imports torch; everything else runs in the
child that also runs the script.
"""
