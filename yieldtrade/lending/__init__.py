"""Lending against yield tokens: what a PT is worth to a lender, and how far it can be levered."""
