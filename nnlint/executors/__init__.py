"""Where the runs of a script happen: on this machine, or spread over others.

`capture` in nnlint.capture.supervise is one run. `executor` says what a place for runs has to offer, `local`
and `ray_cluster` are such places, `task` is what a run on another machine is told and answers, and `spread`
deals the continuations of one script to several runs and makes one capture of them.
"""
