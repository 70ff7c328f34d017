"""Keeps the script from changing anything, in the best way that the system gives.

- *namespaces* (jail.py): the kernel shows the script, its libraries and its subprocesses a file system of
  their own. Nothing that they do to files stays.
- *landlock* (Linux 5.13 or newer; redirect.py and confine.py): what Python code writes, renames and removes
  goes to layers (layers.py) and is found again there by Python code and by torch, sqlite3, safetensors and
  h5py. Every other write outside of $TMPDIR the kernel refuses, to the whole process tree, so that nothing
  stays either; but a subprocess, or another library that opens files by itself, sees them as they really
  are, and fails where it writes. Changes of modes, owners and times do nothing. Not covered: what native code
  makes in /dev/shm.
- *audit* (any POSIX; redirect.py and audit_hook.py): the same, but it is Python that refuses, not the kernel.
  No other program is started. Not covered: files that other compiled libraries open by themselves.

In the last two, what is left of the script's processes is ended by a keeper, which waits for that; on systems
other than Linux one whose parent is gone gets away.
"""
