"""The perpetuals exchange of the PDLP paper: collateral, liquidation, linear funding (pdlp.md 2, (1)-(2)).

It knows no fees and no maintenance margin; the rules of JLP's exchange are in `yieldtrade.pool.exchange`. JLP
has no funding: (2) serves venues as GMX, hedge legs and the simulator. A trade is (c, delta, eta, p0): collateral in
USD, size in units, signed leverage (below 0 a short), entry price. Functions take numbers or arrays.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from yieldtrade.elementwise import (
    Bound,
    as_fields,
    check_choice,
    checked,
    evaluate,
    namespace,
    not_negative,
    positive,
    where,
)
from yieldtrade.pool.exchange import LiquidationPrice

FundingConvention: TypeAlias = Literal["majority", "paper_text"]

_LEVERAGE = Bound("eta", lambda eta, **_: eta != 0, "must not be 0: above for a long, below for a short")


def collateral_ok(c: Any, delta: Any, eta: Any, p0: Any) -> Any:
    """Whether a trade is collateralised, ``p0*delta <= |eta|*c``, equality accepted (pdlp.md 2, (1)).

    Parameters
    ----------
    c, delta, eta, p0
        Collateral in USD and size in units, 0 or more; leverage, not 0; price, above 0.

    Returns
    -------
    bool or numpy.ndarray of bool

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    spare = evaluate(
        lambda xp, c, delta, eta, p0: xp.fabs(eta) * c - p0 * delta,
        (not_negative("c"), not_negative("delta"), _LEVERAGE, positive("p0")),
        "raise",
        c=c,
        delta=delta,
        eta=eta,
        p0=p0,
    )
    return spare >= 0


def min_collateral(delta: Any, eta: Any, p0: Any) -> Any:
    """Least collateral of a trade, ``p0*delta/|eta|`` USD (pdlp.md 2, (1)); parameters of `collateral_ok`."""
    return evaluate(
        lambda xp, delta, eta, p0: p0 * delta / xp.fabs(eta),
        (not_negative("delta"), _LEVERAGE, positive("p0")),
        "raise",
        delta=delta,
        eta=eta,
        p0=p0,
    )


def linearly_liquidatable(c: Any, delta: Any, eta: Any, p0: Any, p: Any) -> Any:
    """Whether the loss has used up the collateral, ``sign(eta)*delta*(p0 - p) >= c`` (pdlp.md 2).

    Parameters are those of :func:`collateral_ok`, and the price ``p`` now; so are the result and the errors.
    """
    loss = evaluate(
        lambda xp, c, delta, eta, p0, p: _sign(xp, eta) * delta * (p0 - p),
        (*map(not_negative, ("c", "delta")), _LEVERAGE, *map(positive, ("p0", "p"))),
        "raise",
        c=c,
        delta=delta,
        eta=eta,
        p0=p0,
        p=p,
    )
    return loss >= checked("c", c)


def linear_liquidation_price(c: Any, delta: Any, eta: Any, p0: Any) -> LiquidationPrice:
    """Price that uses up the collateral: a long's ``p0 - c/delta``, a short's ``p0 + c/delta`` (pdlp.md 2).

    With the least collateral it is ``p0*(1 - 1/eta)``. A long whose collateral covers its size, as any at a
    leverage of at most 1, has none above 0. Fees and a maintenance margin are left out.

    Parameters
    ----------
    c, delta, eta, p0
        As in :func:`collateral_ok`, the size above 0.

    Returns
    -------
    LiquidationPrice
        Reaching the price liquidates; ``past`` where there is no collateral at all.

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    price = evaluate(
        _liquidation_price,
        (not_negative("c"), positive("delta"), _LEVERAGE, positive("p0")),
        "raise",
        c=c,
        delta=delta,
        eta=eta,
        p0=p0,
    )
    xp = namespace(price)
    return LiquidationPrice(**as_fields(xp, price=price, exists=price > 0, past=checked("c", c) == 0))


def _liquidation_price(xp: Any, c: Any, delta: Any, eta: Any, p0: Any) -> Any:
    price = p0 - _sign(xp, eta) * c / delta
    # judged as (1) is, so that rounding leaves no price to a long of leverage 1
    return where(xp, ((eta > 0) & (c >= p0 * delta)) | (price < 0), 0.0, price)


def _sign(xp: Any, eta: Any) -> Any:
    return where(xp, eta > 0, 1.0, -1.0)


def linear_funding_rate(L: Any, S: Any, p: Any, p0: Any, kappa: Any) -> Any:
    """Linear funding rate, ``kappa*(L/S - p/p0)`` a period; longs pay where it is positive (pdlp.md 2, (2)).

    Parameters
    ----------
    L, S
        Cumulative long size, 0 or more, and short size, above 0; units.
    p, p0
        Price now, and mark price at the start of the period.
    kappa
        Constant of the venue; 0 for one without funding.

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    return evaluate(
        lambda _xp, L, S, p, p0, kappa: kappa * (L / S - p / p0),
        (*map(not_negative, ("L", "kappa")), *map(positive, ("S", "p", "p0"))),
        "raise",
        L=L,
        S=S,
        p=p,
        p0=p0,
        kappa=kappa,
    )


def funding_payer(rate: Any, convention: FundingConvention = "majority") -> Any:
    """Who pays at a funding rate: ``"longs"``, ``"shorts"`` or ``"nobody"`` (pdlp.md 2, E2).

    Parameters
    ----------
    rate
        Funding rate of (2).
    convention
        ``majority``: longs pay where it is positive, as in the paper's example and its arbitrage;
        ``paper_text``: shorts do, as one of its sentences says.

    Returns
    -------
    str or numpy.ndarray of str

    Raises
    ------
    DomainError
        A rate that is not finite, or an unknown convention.
    """
    check_choice("convention", convention, ("majority", "paper_text"))
    rate = checked("rate", rate)
    xp = namespace(rate)
    above, below = ("longs", "shorts") if convention == "majority" else ("shorts", "longs")
    return where(xp, rate > 0, above, where(xp, rate < 0, below, "nobody"))
