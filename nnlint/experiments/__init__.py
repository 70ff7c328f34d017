"""What the continuations measure, as plain values, and what follows from the numbers. Never imports torch.

One module an experiment: the continuations that it needs, the type of what its meter (of the same name in
nnlint.capture.meters) finds, and the arithmetic on it. Experiments give numbers; rules judge them.
"""
