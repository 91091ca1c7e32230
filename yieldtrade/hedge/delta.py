"""Mean-variance hedge of a pool's delta, and whether a hedge pays (pdlp.md 8, hedge_portfolio.md 17).

Units: exposures x, pi, Delta and R in USD, Sigma the covariance of returns over a period, carry a fraction of the
position over a period, gamma in 1/USD (relative risk aversion over NAV), trading cost c in 1/USD. Figures by asset have
shape (..., n), with n the assets of the one Sigma; the leading axes are scenarios and broadcast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from yieldtrade.elementwise import as_fields, checked, not_negative, positive, share
from yieldtrade.errors import DomainError, MissingDataError
from yieldtrade.pool.covariance import (
    align,
    checked_covariance,
    covariance_of,
    inner,
    solve,
    solve_with_diagonal,
    verdict,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Figures = NDArray[np.float64]

# A resample of n periods holds one alone, and so no spread, once in n^(n-1): from ten on, once in 10^9.
FEWEST_PERIODS = 10
# Why the paper's conditions are shown and do not decide (pdlp.md 11, E17 and E18).
WHY_NOT_DECISIVE = (
    "the expectation condition (14) rests on p.ell/lambda_max <= p.Sigma^-1 ell, which fails in general; it holds for "
    "a diagonal Sigma with p and ell of 0 or more, and for ell parallel to p",
    "E[p.pi] is the value of the hedge, which is negative for any short, and not what the hedge is expected to earn",
    "a smaller variance raises a Sharpe ratio only where the mean is positive, which no condition asks for",
    "Var pi <= 4 Var R is necessary for the variance to fall and not sufficient: with a correlation of -0.5 and a "
    "ratio of standard deviations of 1.5 it holds, and the variance rises to 1.75 times what it was",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HedgeResult:
    """The hedge that maximises ``carry_usd - cost_usd - risk_usd``, the three terms of (12).

    Attributes
    ----------
    hedge
        pi, USD by asset, shape (..., n); a short is negative.
    net
        What is left of the delta, ``Delta + pi``.
    carry_usd
        Earned by the hedge over the period, ``carry.pi``.
    risk_usd
        Charge for the variance left, ``(gamma/2) net'Sigma net``.
    cost_usd
        Of trading from the current hedge, ``1/2 (pi - current)'Diag(c)(pi - current)``.
    ill_conditioned
        Whether Sigma is so close to singular that the hedge keeps less than half of its digits.
    """

    hedge: Any
    net: Any
    carry_usd: Any
    risk_usd: Any
    cost_usd: Any
    ill_conditioned: bool

    @property
    def objective_usd(self) -> Any:
        """Return the value of (12), the lending income of the pool itself left out."""
        return self.carry_usd - self.cost_usd - self.risk_usd


def mean_variance_hedge(
    delta: Any, cov: Any, carry: Any, risk_aversion: Any, current: Any = 0.0, cost: Any = 0.0
) -> HedgeResult:
    """Hedge ``(gamma Sigma + Diag c)^-1 [carry + Diag(c) current - gamma Sigma Delta]`` (pdlp.md 8, (12)-(13)).

    Without costs it is ``Sigma^-1 carry/gamma - Delta``: the full delta hedge and a tilt towards what pays.

    Parameters
    ----------
    delta
        Delta, the exposure to hedge, USD by asset.
    cov
        Sigma, shape (n, n), or a `Covariance`.
    carry
        What the hedge instrument pays per USD long over the period (less funding); 0 where only risk counts. The
        paper takes ``fee*lent``, with the lent amounts as a utilisation.
    risk_aversion
        gamma, 1/USD, above 0, by scenario.
    current
        Hedge held now, USD by asset.
    cost
        Quadratic trading cost c, 1/USD by asset, 0 or more; at 0 the current hedge does not matter.

    Raises
    ------
    DomainError
        A value outside its domain, shapes that do not match, or a Sigma that is no covariance.
    """
    import numpy as np

    sigma = checked_covariance(cov)
    gamma = np.asarray(checked("risk_aversion", risk_aversion, positive("risk_aversion")))
    c = np.asarray(checked("cost", cost, not_negative("cost")))
    named = {"delta": delta, "carry": carry, "current": current, "cost": c}
    delta, carry, current, c_each, gamma_each = align(sigma.assets, named, {"risk_aversion": gamma})
    with np.errstate(over="ignore", invalid="ignore"):
        # over gamma, and in terms of what is left unhedged: exact at no cost, and close to it at any
        penalty = c / gamma[..., None] if c.any() else np.zeros(sigma.assets)
        pull = checked(
            "carry and cost over risk_aversion", carry / gamma_each[..., None] + penalty * (current + delta)
        )
        net = solve_with_diagonal(sigma, penalty, pull)
        hedge, net = np.broadcast_arrays(net - delta, net)
        trade = hedge - current
        terms = {
            "carry_usd": inner(carry, hedge),
            "risk_usd": gamma_each / 2.0 * covariance_of(sigma, net, net),
            "cost_usd": inner(c_each, trade**2) / 2.0,
        }
    figures = {name: checked(name, value) for name, value in {"hedge": hedge, "net": net, **terms}.items()}
    return HedgeResult(**figures, ill_conditioned=sigma.ill_conditioned)


class Condition(NamedTuple):
    """An inequality ``left >= right`` with both sides; ``label`` says what it is and whose."""

    label: str
    left: Any
    right: Any
    holds: Any


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PaperSharpeConditions:
    """What the paper prints about the Sharpe ratio of a hedged pool, beside the exact figures. It does not decide.

    Attributes
    ----------
    expectation_printed
        (14): ``f p.ell >= gamma lambda_max p.Delta``.
    expectation_direct
        What it stands for: ``f p.Sigma^-1 ell >= gamma p.Delta``. Neither implies the other in general.
    variance_printed
        ``4 R'Sigma R >= pi'Sigma pi``.
    variance_exact
        ``-2 pi'Sigma R >= pi'Sigma pi``: the variance falls.
    lambda_max_form, exact_form
        ``p.ell/lambda_max`` and ``p.Sigma^-1 ell``; the paper takes the first to be no larger.
    inequality_holds
        Whether it is.
    claim_4_1
        Whether both printed conditions hold.
    reasons
        Why none of this decides; :func:`sharpe_test` does.
    """

    expectation_printed: Condition
    expectation_direct: Condition
    variance_printed: Condition
    variance_exact: Condition
    lambda_max_form: Any
    exact_form: Any
    inequality_holds: Any
    claim_4_1: Any
    reasons: tuple[str, ...] = WHY_NOT_DECISIVE


def paper_sharpe_conditions(
    delta: Any,
    cov: Any,
    lent: Any,
    fee: Any,
    risk_aversion: Any,
    *,
    prices: Any = 1.0,
    exposure: Any = None,
    hedge: Any = None,
) -> PaperSharpeConditions:
    """Return the printed conditions (14) and ``Var pi <= 4 Var R`` of claim 4.1, labelled (pdlp.md 8, E17, E18).

    Parameters
    ----------
    delta, cov, risk_aversion
        As in :func:`mean_variance_hedge`.
    lent
        ell by asset, 0 or more: utilisation where exposures are USD.
    fee
        f, the lending fee over the period, fraction.
    prices
        p by asset, above 0; 1 where exposures are USD. The paper's expectations are over prices: give scenarios, and
        average the figures.
    exposure
        R, the portfolio itself; Delta where not given.
    hedge
        pi; the paper's own (13) where not given.

    Raises
    ------
    DomainError
        As :func:`mean_variance_hedge`.
    """
    sigma = checked_covariance(cov)
    by_asset = {
        "delta": delta,
        "lent": checked("lent", lent, not_negative("lent")),
        "prices": checked("prices", prices, positive("prices")),
        "exposure": delta if exposure is None else exposure,
        "hedge": 0.0 if hedge is None else hedge,
    }
    by_scenario = {
        "fee": checked("fee", fee, share("fee")),
        "risk_aversion": checked("risk_aversion", risk_aversion, positive("risk_aversion")),
    }
    delta, ell, p, R, pi, f, gamma = align(sigma.assets, by_asset, by_scenario)
    if hedge is None:
        pi = mean_variance_hedge(delta, sigma, f[..., None] * ell, gamma).hedge
    bound, exact = inner(p, ell) / sigma.largest_eigenvalue, inner(p, solve(sigma, ell))
    needed, varies = gamma * inner(p, delta), covariance_of(sigma, pi, pi)
    printed = _condition(
        "(14) as printed: f p.ell >= gamma lambda_max p.Delta",
        f * inner(p, ell),
        needed * sigma.largest_eigenvalue,
    )
    direct = _condition("(14) direct: f p.Sigma^-1 ell >= gamma p.Delta", f * exact, needed)
    fourfold = _condition(
        "variance as printed: 4 R'Sigma R >= pi'Sigma pi", 4.0 * covariance_of(sigma, R, R), varies
    )
    falls = _condition(
        "variance falls: -2 pi'Sigma R >= pi'Sigma pi", -2.0 * covariance_of(sigma, pi, R), varies
    )
    return PaperSharpeConditions(
        expectation_printed=printed,
        expectation_direct=direct,
        variance_printed=fourfold,
        variance_exact=falls,
        lambda_max_form=checked("lambda_max_form", bound),
        exact_form=checked("exact_form", exact),
        inequality_holds=verdict(bound <= exact),
        claim_4_1=verdict(printed.holds & fourfold.holds),
    )


def _condition(label: str, left: Any, right: Any) -> Condition:
    return Condition(label, checked("left side", left), checked("right side", right), verdict(left >= right))


class Performance(NamedTuple):
    """Mean and standard deviation of the profit over a period, USD, and the ratio of the two.

    The ratio is infinite where a mean bears no risk, and None (NaN) where there is neither.
    """

    mean_usd: Any
    sd_usd: Any
    sharpe: Any


class BootstrapInterval(NamedTuple):
    """Percentile interval of the rise of the Sharpe ratio, from ``periods`` periods of returns."""

    low: Any
    high: Any
    level: float
    periods: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SharpeTest:
    """Whether a hedge pays, per period and over a rate of 0.

    Attributes
    ----------
    unhedged, hedged
        Of R, and of R + pi after carry and cost.
    variance_falls
        ``pi'Sigma pi <= -2 pi'Sigma R``.
    improves
        Whether the Sharpe ratio is at least as high; None (in arrays 1, 0 and NaN) where a mean is not positive.
    difference
        Hedged less unhedged Sharpe ratio; None (NaN) where one is undefined or both are infinite.
    interval
        Of that difference; None without samples, its ends None (NaN) where it is undefined in a resample.
    ill_conditioned
        Whether Sigma is close to singular.
    """

    unhedged: Performance
    hedged: Performance
    variance_falls: Any
    improves: Any
    difference: Any
    interval: BootstrapInterval | None
    ill_conditioned: bool


class Resampling(NamedTuple):
    """How returns are resampled: runs of ``block`` periods, drawn ``draws`` times from ``seed``."""

    seed: int
    level: float
    draws: int
    block: int


def sharpe_test(
    mean: Any,
    cov: Any,
    exposure: Any,
    hedge: Any,
    income: Any,
    carry: Any,
    cost: Any,
    *,
    samples: Any = None,
    seed: int = 0,
    level: float = 0.95,
    draws: int = 2000,
    block: int = 1,
) -> SharpeTest:
    """Compare the Sharpe ratio of a portfolio with that of itself hedged (pdlp.md 8).

    ``m0 = mean.R + income``, ``s0^2 = R'Sigma R``; ``m1 = mean.(R+pi) + income + carry.pi - cost``,
    ``s1^2 = (R+pi)'Sigma(R+pi)``.

    Parameters
    ----------
    mean
        Expected return by asset over a period, fractions.
    cov
        Sigma, shape (n, n), or a `Covariance`.
    exposure, hedge
        R and pi, USD by asset.
    income
        Fees that the portfolio earns over the period, hedged or not, USD.
    carry
        What the hedge instrument pays per USD long over the period, by asset, beyond its price.
    cost
        Of the hedge over the period, USD, 0 or more.
    samples
        Returns by period and asset, shape (periods, n), from which the interval of the difference is resampled. It is
        the interval around the samples' own figures, which need not be those of ``mean`` and ``cov``.
    seed, level, draws, block
        Of the bootstrap: its seed, the coverage of the interval, the number of resamples, and how many periods in a row
        stay together (1: periods are independent).

    Raises
    ------
    DomainError
        A value outside its domain, shapes that do not match, a Sigma that is no covariance, or a block of more periods
        than the samples have.
    MissingDataError
        Fewer than ten periods of returns.
    """
    sigma = checked_covariance(cov)
    by_asset = {"mean": mean, "exposure": exposure, "hedge": hedge, "carry": carry}
    by_scenario = {"income": income, "cost": checked("cost", cost, not_negative("cost"))}
    mean, R, pi, carry, income, cost = align(sigma.assets, by_asset, by_scenario)
    earned = income + inner(carry, pi) - cost
    unhedged = _performance(inner(mean, R) + income, covariance_of(sigma, R, R))
    hedged = _performance(inner(mean, R + pi) + earned, covariance_of(sigma, R + pi, R + pi))
    interval = None
    if samples is not None:
        returns = _returns(samples, sigma.assets)
        how = _resampling(seed, level, draws, block, len(returns))
        interval = _interval(returns, (R, income), (R + pi, earned), how)
    return SharpeTest(
        unhedged=_stated(unhedged),
        hedged=_stated(hedged),
        variance_falls=verdict(covariance_of(sigma, pi, pi + 2.0 * R) <= 0),
        improves=_improves(unhedged, hedged),
        difference=_number_or_none(_difference(hedged.sharpe, unhedged.sharpe)),
        interval=interval,
        ill_conditioned=sigma.ill_conditioned,
    )


def _performance(mean: Any, variance: Any) -> Performance:
    import numpy as np

    mean, sd = np.asarray(checked("mean_usd", mean)), np.sqrt(checked("variance", variance))
    with np.errstate(divide="ignore", invalid="ignore"):
        return Performance(mean, sd, mean / sd)


def _stated(performance: Performance) -> Performance:
    return Performance(*(_number_or_none(value) for value in performance))


def _number_or_none(value: Any) -> Any:
    """Return a lone figure as a float, None for NaN; an array as it is."""
    if getattr(value, "ndim", 0):
        return value
    return as_fields(math, value=float(value))["value"]


def _improves(unhedged: Performance, hedged: Performance) -> Any:
    import numpy as np

    # m1/s1 >= m0/s0 with positive means, and without dividing: a riskless mean beats any other
    better = hedged.mean_usd * unhedged.sd_usd >= unhedged.mean_usd * hedged.sd_usd
    judged = (unhedged.mean_usd > 0) & (hedged.mean_usd > 0)
    if judged.ndim:
        return np.where(judged, better, np.nan)
    return bool(better) if judged else None


def _difference(hedged: Any, unhedged: Any) -> Any:
    import numpy as np

    with np.errstate(invalid="ignore"):
        return np.asarray(hedged - unhedged)


def _returns(samples: Any, n: int) -> Figures:
    import numpy as np

    returns = np.asarray(checked("samples", samples))
    if returns.ndim != 2 or returns.shape[1] != n:  # noqa: PLR2004 - periods by assets
        raise DomainError(
            f"samples has shape {returns.shape}: rows of {n} returns, one an asset, are required"
        )
    if len(returns) < FEWEST_PERIODS:
        raise MissingDataError(
            f"samples holds {len(returns)} periods: an interval needs at least {FEWEST_PERIODS}"
        )
    return returns


def _resampling(seed: int, level: float, draws: int, block: int, periods: int) -> Resampling:
    if not 0 < checked("level", level) < 1:
        raise DomainError(f"level = {level!r} must lie between 0 and 1")
    for name, value, most in (("draws", draws, math.inf), ("block", block, periods)):
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise DomainError(f"{name} = {value!r} must be a whole number from 1 to {most}")
    return Resampling(seed, level, draws, block)


def _interval(
    returns: Figures, unhedged: tuple[Figures, Any], hedged: tuple[Figures, Any], how: Resampling
) -> BootstrapInterval:
    """Interval between two portfolios, each its exposure and what it earns for certain."""
    import numpy as np

    counts = _counts(len(returns), how)
    rise = _difference(_resampled(returns, *hedged, counts), _resampled(returns, *unhedged, counts))
    tails = [(1.0 - how.level) / 2.0, (1.0 + how.level) / 2.0]
    # a figure of the resamples themselves, because there is nothing halfway to infinity
    low, high = np.quantile(rise, tails, axis=0, method="inverted_cdf")
    low, high = (np.where(np.isnan(rise).any(axis=0), np.nan, end) for end in (low, high))
    return BootstrapInterval(_number_or_none(low), _number_or_none(high), how.level, len(returns))


def _counts(periods: int, how: Resampling) -> Figures:
    """How often each resample holds each period, shape (draws, periods): blocks, wrapped around the end."""
    import numpy as np

    blocks = -(-periods // how.block)
    starts = np.random.default_rng(how.seed).integers(0, periods, size=(how.draws, blocks, 1))
    drawn = (starts + np.arange(how.block)).reshape(how.draws, -1)[:, :periods] % periods
    cells = drawn + periods * np.arange(how.draws)[:, None]
    return np.bincount(cells.ravel(), minlength=how.draws * periods).reshape(how.draws, periods).astype(float)


def _resampled(returns: Figures, exposure: Figures, certain: Any, counts: Figures) -> Figures:
    """Sharpe ratio of each resample, shape (draws, ...)."""
    import numpy as np

    periods = len(returns)
    profit = returns @ exposure.reshape(-1, returns.shape[1]).T
    centre = profit.mean(axis=0)
    mean = counts @ (profit - centre) / periods
    variance = counts @ (profit - centre) ** 2 / periods - mean**2
    # rounding may leave a variance of 0 a little below it
    sd = np.sqrt(np.maximum(variance, 0.0) * periods / (periods - 1.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        sharpe: Figures = (mean + centre + np.ravel(certain)) / sd
    return sharpe.reshape(len(counts), *exposure.shape[:-1])
