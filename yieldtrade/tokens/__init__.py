"""PT, YT and ST of a yield contract: prices, sensitivities, break-evens, positions."""
