"""Load on a real daemon: many readers, many orders, limits, and lost connections. Long forms: `python -m tests.proofs.load`."""
