"""Forecast of a pool's fee APY: ``yieldtrade.forecast(view, "JLP")``, and the models behind it.

The package is itself callable: calling it is :func:`forecast_apy`. Nothing heavy is imported before it is used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yieldtrade.forecast.apy import forecast_apy
    from yieldtrade.forecast.card import ApyModel, fit_apy_model
    from yieldtrade.forecast.data import PoolHistory, pool_history
    from yieldtrade.forecast.evaluate import TrackRecord, evaluate_forecasts
    from yieldtrade.forecast.exogenous import return_columns
    from yieldtrade.forecast.fees import FeeModel, fit_fee_model
    from yieldtrade.forecast.goal import Goal, goals
    from yieldtrade.forecast.level import level_spread_forecast
    from yieldtrade.forecast.nowcast import NowcastRecord, evaluate_nowcast
    from yieldtrade.forecast.result import Distribution, ForecastReport, PeriodForecast, YieldForecast
    from yieldtrade.forecast.tvl import TvlModel, fit_tvl_model
    from yieldtrade.forecast.volume import VolumeModel, fit_volume_model

__all__ = [
    "ApyModel",
    "Distribution",
    "FeeModel",
    "ForecastReport",
    "Goal",
    "NowcastRecord",
    "PeriodForecast",
    "PoolHistory",
    "TrackRecord",
    "TvlModel",
    "VolumeModel",
    "YieldForecast",
    "evaluate_forecasts",
    "evaluate_nowcast",
    "fit_apy_model",
    "fit_fee_model",
    "fit_tvl_model",
    "fit_volume_model",
    "forecast_apy",
    "goals",
    "level_spread_forecast",
    "pool_history",
    "return_columns",
]

_HOMES = {
    "apy": ("forecast_apy",),
    "card": ("ApyModel", "fit_apy_model"),
    "data": ("PoolHistory", "pool_history"),
    "exogenous": ("return_columns",),
    "evaluate": ("TrackRecord", "evaluate_forecasts"),
    "fees": ("FeeModel", "fit_fee_model"),
    "goal": ("Goal", "goals"),
    "nowcast": ("NowcastRecord", "evaluate_nowcast"),
    "level": ("level_spread_forecast",),
    "result": ("Distribution", "ForecastReport", "PeriodForecast", "YieldForecast"),
    "tvl": ("TvlModel", "fit_tvl_model"),
    "volume": ("VolumeModel", "fit_volume_model"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


class _CallablePackage(ModuleType):
    """Lets ``yieldtrade.forecast(view, "JLP")`` stand for :func:`forecast_apy`."""

    def __call__(self, *args: Any, **kwargs: Any) -> ForecastReport:
        from yieldtrade.forecast.apy import forecast_apy

        return forecast_apy(*args, **kwargs)


sys.modules[__name__].__class__ = _CallablePackage
