"""A setting of the C library's allocator that decides how fast a transformer runs on a CPU."""

import ctypes
import sys

# mallopt parameter numbers, from glibc's malloc.h (man 3 mallopt).
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGEST_MMAP_THRESHOLD = 1 << 30
_LARGEST_INT = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let glibc keep the memory that torch frees instead of handing it back to the kernel after every layer.

    By default glibc takes each large block from the kernel with `mmap` and returns it when freed, so every
    activation of every layer is page-faulted in and zeroed anew. With the two thresholds raised the pages are
    reused. Resident memory then stays at its peak, which is the working set of one batch.

    Measure the ratio on a machine with `python -m medembed_pipeline.encoder.measure_memory`.

    Returns
    -------
    bool
        True where the C library took the setting; False (and nothing done) anywhere but on Linux with glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    kept_below = library.mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
    never_trim = library.mallopt(_M_TRIM_THRESHOLD, _LARGEST_INT)
    return bool(kept_below and never_trim)
