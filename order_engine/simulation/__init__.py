"""The engine under seeded faults, on a virtual clock: the same life, router, checks and chain rules, a million times.

A world is one seed: some orders, some faults, one history. The same seed gives the same history, to the byte, everywhere.
"""
