"""The graph tier: the recorded training step, and the batch axis followed through it.

`record` runs in the process that runs the script; everything else is plain values and never imports torch.
"""
