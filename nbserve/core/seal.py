"""A seal over bytes, and whether they are still the ones that were sealed.

It is Poly1305 (RFC 8439) under a random key of its own, which never leaves the process: whoever changes the bytes
cannot make them fit again. It comes from the OpenSSL that Python itself has loaded, and is several times as fast as any
digest of `hashlib`. Where that OpenSSL cannot be reached, or is too old, the seal is SHA-256.
"""

from __future__ import annotations

import ctypes
import hashlib
import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

__all__ = ["Seal", "is_intact", "seal"]

KEY, TAG = 32, 16
"""Bytes."""

Tagging = Callable[[bytes, memoryview], bytes]

EXAMPLE_KEY = bytes.fromhex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b")
EXAMPLE_TAG = bytes.fromhex("a8061dc1305136c6c22b8baf0c0127a9")
EXAMPLE = b"Cryptographic Forum Research Group"


@dataclass(frozen=True, slots=True)
class Seal:
    """A key that is used once, and the tag that it gave."""

    key: bytes
    tag: bytes


def seal(block: memoryview) -> Seal:
    """Of a writable block."""
    key = os.urandom(KEY)
    return Seal(key, _tagging()(key, block))


def is_intact(block: memoryview, sealed: Seal) -> bool:
    """Whether a writable block holds what was sealed."""
    return hmac.compare_digest(_tagging()(sealed.key, block), sealed.tag)


@cache
def _tagging() -> Tagging:
    return _poly1305() or _sha256


def _sha256(key: bytes, block: memoryview) -> bytes:
    digest = hashlib.sha256(key)
    digest.update(block)
    return digest.digest()


def _poly1305() -> Tagging | None:
    """By OpenSSL 3, found as what `hashlib` is linked to; None where it is not there or does not know it."""
    try:
        import _hashlib

        mac = ctypes.CDLL(_hashlib.__file__).EVP_Q_mac
    except (ImportError, AttributeError, OSError):
        return None
    text, size, pointer = ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p
    mac.restype = pointer
    mac.argtypes = [pointer, text, text, text, pointer, text, size, pointer, size, pointer, size, pointer]

    def tag(key: bytes, block: memoryview) -> bytes:
        made, length = ctypes.create_string_buffer(TAG), ctypes.byref(size())
        start = ctypes.addressof(ctypes.c_char.from_buffer(block))
        succeeded = mac(None, b"POLY1305", None, None, None, key, KEY, start, block.nbytes, made, TAG, length)
        if not succeeded:
            raise MemoryError("OpenSSL could not seal the model's bytes")
        return made.raw

    return tag if tag(EXAMPLE_KEY, memoryview(bytearray(EXAMPLE))) == EXAMPLE_TAG else None
