"""What a liquidity provider of PT, YT and ST earns, component by component (tokens.md 15).

Rates are effective annual fractions unless called continuous; amounts in ST. Every function takes numbers or
arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from yieldtrade.conventions import DAYS_PER_YEAR, continuous_from_apy
from yieldtrade.elementwise import Bound, checked, evaluate, not_negative, positive
from yieldtrade.tokens.pricing import pt_price, yt_price

if TYPE_CHECKING:
    from collections.abc import Sequence

_WORTH_SOMETHING = Bound(
    "value",
    lambda value, **_: value > 0,
    "ST, of st and yt together, must be above 0 to have a rate of growth",
)


class LpIncome(NamedTuple):
    """What liquidity providers were paid over a window: fees, or one kind of reward.

    Attributes
    ----------
    name
        Such as ``"fees"`` or the reward's token.
    amount
        Paid to LPs, 0 or more; of fees the LPs' share alone.
    avg_tvl
        Mean value of what LPs held over the window, in the unit of ``amount``.
    days
        Length of the window; venues use 7.
    """

    name: str
    amount: Any
    avg_tvl: Any
    days: Any


class LpComponent(NamedTuple):
    """One income of an LP as an annual rate, with the window and the denominator it rests on."""

    name: str
    apy: Any
    amount: Any
    avg_tvl: Any
    days: Any


class LpApy(NamedTuple):
    """What an LP earns, compounded, and what it is made of.

    Attributes
    ----------
    apy
        ``expm1(carry + ln(1+fees) + sum of ln(1+reward))``.
    carry_apy
        Growth of the tokens held, at constant implied yield.
    fees
        Trading fees.
    rewards
        Each reward apart.
    """

    apy: Any
    carry_apy: Any
    fees: LpComponent
    rewards: tuple[LpComponent, ...]


class VenueLpApy(NamedTuple):
    """The figure a venue of the RateX type shows: a sum of APYs, which is not what an LP's value grows by.

    Attributes
    ----------
    apy
        Sum of the six figures that follow ``income_apy``, as shown by the venue.
    income_apy
        The same without the points.
    amm_fees, amm_underlying
        Fees and underlying yield of the part in the AMM, times that part.
    reserve_pt, reserve_underlying
        Fixed yield of the synthetic PT and underlying yield of the ST in the reserve, times their parts.
    rewards
        Sum of the rewards.
    points
        Implied yield less the underlying's: what buyers of YT pay for points. Not income of the LP.
    basis
        The fees and each reward before weighting, with window and denominator.
    method
        Says that the figure is a sum of APYs.
    """

    apy: Any
    income_apy: Any
    amm_fees: Any
    amm_underlying: Any
    reserve_pt: Any
    reserve_underlying: Any
    rewards: Any
    points: Any
    basis: tuple[LpComponent, ...]
    method: Literal["sum of APYs"] = "sum of APYs"


def lp_carry(*, st: Any, yt: Any, implied_apy: Any, underlying_apy: Any, tau: Any) -> Any:
    """Growth rate, continuous, of a holding of ST and YT at constant implied yield (tokens.md 15).

    ``((st+yt)*ln(1+u) - yt*ln(1+r)*PT)/(st + yt*YT)``: ln(1+u) without YT, ln(1+r) where every YT was sold
    (``yt = -st``). A pool of PT and SY holds ``st = PT + SY in ST`` and ``yt = -PT``.

    Parameters
    ----------
    st, yt
        Amounts held, the YT short below 0; together worth more than 0.
    implied_apy, underlying_apy
        Yields r and u, above -1.
    tau
        Years to maturity, 0 or more.

    Returns
    -------
    float or numpy.ndarray
        Continuous annual rate; its APY is ``expm1`` of it.

    Raises
    ------
    DomainError
        A value outside its domain, or a holding worth 0 or less.
    ExpiredError
        ``tau`` below 0.
    """
    st, yt = checked("st", st), checked("yt", yt)
    return evaluate(
        lambda _xp, value, st, yt, u, r, pt: ((st + yt) * u - yt * r * pt) / value,
        (_WORTH_SOMETHING,),
        "raise",
        value=st + yt * yt_price(implied_apy, tau),
        st=st,
        yt=yt,
        u=continuous_from_apy(underlying_apy),
        r=continuous_from_apy(implied_apy),
        pt=pt_price(implied_apy, tau),
    )


def lp_apy(*, carry: Any, fees: LpIncome, rewards: Sequence[LpIncome] = ()) -> LpApy:
    """Growth of an LP's value in a year, ``expm1(c + ln(1+fee_apy) + ln(1+reward_apy) ...)`` (tokens.md 15).

    Parameters
    ----------
    carry
        Continuous growth rate of the tokens held, :func:`lp_carry`.
    fees
        Trading fees paid to LPs; an amount of 0 where there were none.
    rewards
        Each reward paid besides.

    Returns
    -------
    LpApy

    Raises
    ------
    DomainError
        An amount below 0, a value held or a window that is not above 0, a value that is not finite.
    """
    incomes = (fees, *rewards)
    rate = checked("carry", carry) + sum(map(_continuous, incomes))
    fee, *others = map(_component, incomes)
    return LpApy(apy=_apy(rate), carry_apy=_apy(carry), fees=fee, rewards=tuple(others))


def venue_lp_apy(
    *,
    amm_share: Any,
    synthetic_pt_share: Any,
    fees: LpIncome,
    underlying_apy: Any,
    pt_fixed_apy: Any,
    rewards: Sequence[LpIncome] = (),
    implied_apy: Any | None = None,
) -> VenueLpApy:
    """Reproduce the LP APY that a venue of the RateX type shows (tokens.md 15).

    Parameters
    ----------
    amm_share
        Part of the LP's value that lies in the AMM, from 0 to 1; the rest is the reserve.
    synthetic_pt_share
        Part of the reserve that is synthetic PT, from 0 to 1; the rest is ST.
    fees
        Trading fees paid to LPs over the last 7 days.
    underlying_apy
        Yield of the underlying over the last 7 days.
    pt_fixed_apy
        Fixed yield of the synthetic PT, such as :func:`yieldtrade.tokens.pricing.synthetic_pt_yield`.
    rewards
        Each reward paid besides.
    implied_apy
        Implied yield of the YT where its holders get points; None where there are none.

    Returns
    -------
    VenueLpApy

    Raises
    ------
    DomainError
        A part outside 0 to 1, a yield at or below -1, an income as in :func:`lp_apy`.
    """
    amm = checked("amm_share", amm_share, _part("amm_share"))
    synthetic = checked("synthetic_pt_share", synthetic_pt_share, _part("synthetic_pt_share"))
    underlying = checked("underlying_apy", underlying_apy, _yield_bound("underlying_apy"))
    fixed = checked("pt_fixed_apy", pt_fixed_apy, _yield_bound("pt_fixed_apy"))
    basis = tuple(map(_component, (fees, *rewards)))
    weighted = {
        "amm_fees": amm * basis[0].apy,
        "amm_underlying": amm * underlying,
        "reserve_pt": (1.0 - amm) * synthetic * fixed,
        "reserve_underlying": (1.0 - amm) * (1.0 - synthetic) * underlying,
        "rewards": sum((reward.apy for reward in basis[1:]), 0.0),
    }
    points = (
        0.0
        if implied_apy is None
        else checked("implied_apy", implied_apy, _yield_bound("implied_apy")) - underlying
    )
    income = sum(weighted.values())
    return VenueLpApy(apy=income + points, income_apy=income, **weighted, points=points, basis=basis)


def _component(income: LpIncome) -> LpComponent:
    return LpComponent(income.name, _apy(_continuous(income)), income.amount, income.avg_tvl, income.days)


def _continuous(income: LpIncome) -> Any:
    """Continuous rate of an income, ``365/days * ln(1 + amount/avg_tvl)``."""
    return evaluate(
        lambda xp, amount, avg_tvl, days: DAYS_PER_YEAR / days * xp.log1p(amount / avg_tvl),
        (not_negative("amount"), positive("avg_tvl"), positive("days")),
        "raise",
        amount=income.amount,
        avg_tvl=income.avg_tvl,
        days=income.days,
    )


def _apy(rate: Any) -> Any:
    return evaluate(lambda xp, rate: xp.expm1(rate), (), "raise", rate=rate)


def _part(name: str) -> Bound:
    return Bound(name, lambda **given: (given[name] >= 0) & (given[name] <= 1), "must lie between 0 and 1")


def _yield_bound(name: str) -> Bound:
    return Bound(name, lambda **given: given[name] > -1, "must be above -1: a yield cannot lose everything")
