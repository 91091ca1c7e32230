"""Lending: borrow curves and own impact, accounts and their gates, leverage, PT and JLP as collateral, liquidation."""
