"""A simulated chain that behaves: slots, a mempool, landing and expiry, a ledger that closes to the last base unit."""
