"""A script in several processes on this machine, as torchrun starts it.

`gang` starts them with torch's own launcher, `torch.distributed.run`, inside the shelter; `rank` is one of
them. They cannot be forked, as the threads of a process group do not survive that: each part of a run is a
gang of its own. A store that the gang keeps tells who has come how far; rank 0 alone speaks of the run, and
every rank of what it holds after the first step.
"""
