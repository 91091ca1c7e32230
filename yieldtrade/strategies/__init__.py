"""The economics of each strategy, one module each, and the screen that runs, ranks and explains them."""
