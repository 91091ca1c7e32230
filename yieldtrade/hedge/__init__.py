"""Hedges of a pool share: mean-variance hedges and whether they pay."""
