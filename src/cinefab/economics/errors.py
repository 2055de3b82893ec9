"""What the ledger refuses to write, because it would contradict what is written.

CinefabError
├── LedgerConflict      the journal says otherwise
│   ├── KeyReused       an idempotency key came back with another meaning
│   ├── LeaseClosed     the lease was ended by somebody else, its time is accounted for
│   └── JobClosed       the job's reservations were given back; nothing more may be charged
└── PriceInvalid        a price that is not a plain amount of dollars an hour
"""

from __future__ import annotations

from cinefab.core.errors import CinefabError


class LedgerConflict(CinefabError):
    """The journal says otherwise; nothing was written."""


class KeyReused(LedgerConflict):
    """An idempotency key came back with another amount or for another job."""


class LeaseClosed(LedgerConflict):
    """The lease was ended by somebody else and its time is accounted for."""


class JobClosed(LedgerConflict):
    """The job's reservations were given back; nothing more may be charged to it."""


class PriceInvalid(CinefabError):
    """A price that is not a plain amount of dollars an hour."""
