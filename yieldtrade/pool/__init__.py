"""JLP and any perpetual demand lending pool: fees, composition, weights, exchange, loans."""
