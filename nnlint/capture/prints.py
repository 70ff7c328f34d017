"""Fingerprints: whether two values of any nesting hold the same numbers and words."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch

# Of a larger tensor or array, evenly spaced elements are taken, so many at least.
_MOST = 1 << 18
_DEPTH = 8


def fingerprint(value: Any) -> bytes | None:
    """Equal for equal values; None if the value holds something that cannot be compared."""
    digest = hashlib.blake2b(digest_size=16)
    return digest.digest() if _feed(digest, value, _DEPTH) else None


def _feed(digest: Any, value: Any, depth: int) -> bool:
    if depth == 0:
        return False
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        digest.update(f"{type(value).__name__}:{value!r};".encode())
        return True
    if isinstance(value, torch.Tensor):
        return _feed_tensor(digest, value)
    if isinstance(value, Mapping):
        digest.update(f"map{len(value)};".encode())
        return all(
            _feed(digest, key, depth - 1) and _feed(digest, item, depth - 1) for key, item in value.items()
        )
    if isinstance(value, (list, tuple)):
        digest.update(f"list{len(value)};".encode())
        return all(_feed(digest, item, depth - 1) for item in value)
    if is_array(value):
        return _feed_array(digest, value, depth)
    if callable(getattr(value, "to_dict", None)) and hasattr(value, "num_nodes"):
        return _feed(digest, value.to_dict(), depth - 1)
    # Images of PIL and the like.
    if callable(getattr(value, "tobytes", None)) and hasattr(value, "size"):
        digest.update(f"{getattr(value, 'mode', '')}{value.size};".encode() + value.tobytes())
        return True
    return False


def _feed_tensor(digest: Any, value: torch.Tensor) -> bool:
    if value.layout is not torch.strided or value.is_quantized or value.device.type == "meta":
        return False
    flat = value.detach().reshape(-1)
    flat = flat[:: max(1, flat.numel() // _MOST)].cpu().contiguous()
    digest.update(f"{value.dtype}{tuple(value.shape)};".encode())
    if flat.numel():
        digest.update(bytes(flat.view(torch.uint8).numpy()))
    return True


def _feed_array(digest: Any, value: Any, depth: int) -> bool:
    if value.dtype.hasobject:
        return _feed(digest, value.tolist(), depth - 1)
    flat = value.reshape(-1)
    flat = flat[:: max(1, flat.size // _MOST)]
    digest.update(f"{value.dtype}{value.shape};".encode() + flat.tobytes())
    return True


def is_array(value: Any) -> bool:
    """Whether it is NumPy's (an array, or one number), with NumPy never imported for the question."""
    return type(value).__module__ == "numpy" and hasattr(value, "dtype") and hasattr(value, "reshape")
