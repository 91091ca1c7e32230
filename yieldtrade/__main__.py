"""``python -m yieldtrade``."""

from yieldtrade.cli.main import main

main()
