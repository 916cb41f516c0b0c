"""What can go wrong with the ledger."""

from __future__ import annotations

from medembed_pipeline.errors import MedembedError


class LedgerError(MedembedError):
    """The ledger cannot be made from what was given."""
