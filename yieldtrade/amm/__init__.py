"""Pricing of size on a venue: what a trade of PT or YT costs, how far it moves the yield, how much fits."""
