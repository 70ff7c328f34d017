"""`--shard`: the files of one of several machines, so that each file is checked by one of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shard:
    """The `index`-th, from 1, of `count` shares."""

    index: int = 1
    count: int = 1

    def holds(self, name: str) -> bool:
        """Whether a file, named from the folder of the settings, is in this share.

        By its name alone: a file that is added or removed moves no other one into another share, so what the
        machines' caches know of these stays of use.
        """
        if self.count == 1:
            return True
        import hashlib

        digest = hashlib.blake2b(name.encode(errors="surrogateescape"), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.count == self.index - 1
