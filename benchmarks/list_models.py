"""Counts every registered network and writes what `celestial models` prints.

    python benchmarks/list_models.py

To be run when a network is added or changed; a test says so when it was forgotten.
"""

from __future__ import annotations

from celestialkeras.models.listing import LISTING, read_listing, write_listing

if __name__ == "__main__":
    write_listing()
    print(f"{LISTING}: {len(read_listing())} networks")
