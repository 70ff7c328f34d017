"""What is measured in a continuation: one module a meter, each with one subclass of Meter.

A meter runs in the process that runs the script. What it found is a plain value, whose type stands in the
module of the same name in nnlint.experiments, which nnlint's own process reads without torch.
"""
