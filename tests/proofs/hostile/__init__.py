"""Hostile input against a real daemon: what is sent, and what may come of it. Long forms: `python -m tests.proofs.hostile`."""
