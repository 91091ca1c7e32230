"""yieldtrade: prices of PT and YT, the forecast of JLP's APY, and a screener of yield trades."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yieldtrade.market import MarketView
    from yieldtrade.store import open_store
    from yieldtrade.strategies.screen import screen
    from yieldtrade.tokens.quote import quote

__version__ = "0.1.0"
__all__ = ["MarketView", "__version__", "forecast", "open_store", "quote", "screen", "store"]

# Imported on first use: a quote must not pay for the forecast's libraries.
_HOMES = {
    "MarketView": "yieldtrade.market",
    "open_store": "yieldtrade.store",
    "quote": "yieldtrade.tokens.quote",
    "screen": "yieldtrade.strategies.screen",
}
_PACKAGES = ("forecast", "store")


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _PACKAGES:
        return import_module(f"yieldtrade.{name}")
    raise AttributeError(f"module 'yieldtrade' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
