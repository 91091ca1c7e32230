"""One quote: PT, YT and what follows from them, for a contract at a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from yieldtrade.conventions import iso
from yieldtrade.errors import DomainError, ExpiredError, MarketDefinitionError, MissingDataError
from yieldtrade.market import days_between, is_expired, years_to_maturity
from yieldtrade.tokens import pricing, sensitivities
from yieldtrade.tokens.breakeven import breakeven_yield

if TYPE_CHECKING:
    from datetime import datetime

    from yieldtrade.market import Contract, MarketView
    from yieldtrade.tokens.breakeven import Benchmark
    from yieldtrade.tokens.yield_fee import YieldFeeBase

QuoteInput: TypeAlias = Literal["implied_apy", "pt_price", "yt_price", "stored"]


class Quote(NamedTuple):
    """PT and YT of a contract at a moment, in ST unless the name says otherwise.

    ``input`` names what the prices were computed from, ``kind`` what stands behind it: ``given`` by the user, a
    ``market`` quote, a ``published`` figure, or an ``undated`` one. ``quoted_at`` is when it was quoted, None for
    the user's own figure. The break-evens are of YT bought at the mid price and held to maturity: against holding
    ST, and against the ST value kept flat; None where the venue's yield fee is not known or nothing breaks even.
    """

    contract_id: str
    venue_id: str
    underlying: str
    as_of: datetime
    maturity: datetime
    clock: str
    tau_years: float
    days_to_maturity: float
    implied_apy: float
    pt_price: float
    yt_price: float
    input: QuoteInput
    kind: str
    quoted_at: datetime | None
    source: str
    underlying_apy: float | None
    underlying_price_usd: float | None
    yield_delta: float
    yield_gamma: float
    theta_per_day: float
    modified_duration: float
    convexity: float
    yt_leverage: float
    yt_elasticity: float
    yield_fee: float | None
    break_even_apy: float | None
    break_even_cash_apy: float | None
    notes: tuple[str, ...] = ()

    def to_record(self) -> dict[str, Any]:
        """Return the quote as plain values, keys with their units, moments as text."""
        record = {
            key: iso(value) if hasattr(value, "tzinfo") else value for key, value in self._asdict().items()
        }
        if self.underlying_price_usd is not None:
            record["pt_price_usd"] = self.pt_price * self.underlying_price_usd
            record["yt_price_usd"] = self.yt_price * self.underlying_price_usd
        return record


def quote(
    view: MarketView,
    contract_id: str,
    *,
    implied_apy: float | None = None,
    pt_price: float | None = None,
    yt_price: float | None = None,
) -> Quote:
    """Quote PT and YT of a contract at the view's moment (tokens.md 3-5).

    Parameters
    ----------
    view
        What is known, and when.
    contract_id
        Contract name, such as ``"JLP-2411"``.
    implied_apy, pt_price, yt_price
        At most one of them: the implied yield (fraction) or a price (ST). Without any the stored market is used,
        else a published figure. A stored quote is carried to the view's moment by its yield, never by its price.

    Returns
    -------
    Quote
        Prices in ST, sensitivities, and what they rest on.

    Raises
    ------
    UnknownNameError
        There is no such contract.
    ExpiredError
        It has matured at the view's moment.
    DomainError
        A figure outside its domain, more than one of them, or a negative yield where the venue has none.
    MissingDataError
        No figure is given and none is stored.
    """
    contract = view.contract(contract_id)
    refuse_expired(contract, view.as_of)
    tau = years_to_maturity(contract, view.as_of)
    given = {
        name: value
        for name, value in (("implied_apy", implied_apy), ("pt_price", pt_price), ("yt_price", yt_price))
        if value is not None
    }
    if len(given) > 1:
        raise DomainError(f"give one of {', '.join(given)}; each of them fixes the others")
    basis = _given(given, tau) if given else _stored(view, contract)
    _refuse_negative(contract, basis.implied_apy)
    return _quote(view, contract, tau, basis)


class _Basis(NamedTuple):
    """The yield a quote is computed from and what stands behind it."""

    implied_apy: float
    input: QuoteInput
    kind: str
    quoted_at: datetime | None
    source: str
    underlying_apy: float | None = None
    underlying_price_usd: float | None = None
    notes: tuple[str, ...] = ()
    pt_price: float | None = None
    yt_price: float | None = None


def _given(given: dict[str, float], tau: float) -> _Basis:
    ((name, value),) = given.items()
    if name == "implied_apy":
        rate = value
    elif name == "pt_price":
        rate = pricing.implied_yield_from_pt(value, tau)
    else:
        rate = pricing.implied_yield_from_yt(value, tau)
    return _Basis(
        implied_apy=rate,
        input=name,  # type: ignore[arg-type]
        kind="given",
        quoted_at=None,
        source="given by the user",
        pt_price=given.get("pt_price"),
        yt_price=given.get("yt_price"),
    )


def _stored(view: MarketView, contract: Contract) -> _Basis:
    found = view.quote(contract)
    if found is not None:
        undated = found.kind == "undated"
        return _Basis(
            implied_apy=found.implied_apy,
            input="stored",
            kind=found.kind,
            quoted_at=None if undated or found.kind == "given" else found.at,
            source=found.source,
            underlying_apy=found.underlying_apy,
            underlying_price_usd=found.underlying_price_usd,
            notes=(
                ("the only stored figure is a pool yield without a date: it may be later than as_of",)
                if undated
                else ()
            ),
        )
    return _published(view, contract)


def _published(view: MarketView, contract: Contract) -> _Basis:
    dated = [
        f for f in contract.figures if f.at is not None and f.at <= view.as_of and f.yt_price is not None
    ]
    if not dated:
        raise MissingDataError(
            f"no quote of {contract.contract_id} is known as of {iso(view.as_of)}; give one with --implied, "
            "--pt-price or --yt-price, or load some with `yieldtrade load FILE`"
        )
    figure = max(dated, key=lambda f: f.at)  # type: ignore[arg-type,return-value]
    assert figure.at is not None  # noqa: S101 - only dated figures were kept
    assert figure.yt_price is not None  # noqa: S101
    rate = pricing.implied_yield_from_yt(figure.yt_price, years_to_maturity(contract, figure.at))
    return _Basis(
        implied_apy=rate,
        input="stored",
        kind="published",
        quoted_at=figure.at,
        source=figure.source,
        notes=(figure.note,) if figure.note else (),
    )


def _quote(view: MarketView, contract: Contract, tau: float, basis: _Basis) -> Quote:
    rate = basis.implied_apy
    yt = basis.yt_price if basis.yt_price is not None else pricing.yt_price(rate, tau)
    fee = contract.terms.number("yield_fee") if "yield_fee" in contract.terms else None
    return Quote(
        contract_id=contract.contract_id,
        venue_id=contract.venue_id,
        underlying=contract.underlying,
        as_of=view.as_of,
        maturity=contract.maturity,
        clock=contract.clock,
        tau_years=tau,
        days_to_maturity=days_between(view.as_of, contract.maturity),
        implied_apy=rate,
        pt_price=basis.pt_price if basis.pt_price is not None else pricing.pt_price(rate, tau),
        yt_price=yt,
        input=basis.input,
        kind=basis.kind,
        quoted_at=basis.quoted_at,
        source=basis.source,
        underlying_apy=basis.underlying_apy,
        underlying_price_usd=basis.underlying_price_usd,
        yield_delta=sensitivities.yield_delta(rate, tau),
        yield_gamma=sensitivities.yield_gamma(rate, tau),
        theta_per_day=sensitivities.theta_per_day(rate, tau),
        modified_duration=sensitivities.modified_duration(rate, tau),
        convexity=sensitivities.convexity(rate, tau),
        yt_leverage=sensitivities.leverage(rate, tau),
        yt_elasticity=sensitivities.elasticity(rate, tau),
        yield_fee=fee,
        break_even_apy=_break_even(contract, "underlying", yt, tau),
        break_even_cash_apy=_break_even(contract, "cash", yt, tau),
        notes=basis.notes,
    )


def _break_even(contract: Contract, benchmark: Benchmark, yt: float, tau: float) -> float | None:
    """Underlying APY at which YT held to maturity gains nothing, before trading fees (tokens.md 12)."""
    if "yield_fee" not in contract.terms or not 0 <= yt < 1:
        return None
    found = breakeven_yield(
        benchmark=benchmark,
        entry_price=yt,
        exit_price=0.0,
        holding=tau,
        yield_fee=contract.terms.number("yield_fee"),
        yield_fee_base=yield_fee_base(contract),
        trading_fee=0.0,
    )
    return float(found.apy) if found.status == "value" and found.apy is not None else None


def yield_fee_base(contract: Contract) -> YieldFeeBase:
    """Return what a contract's yield fee is charged on.

    Raises
    ------
    MarketDefinitionError
        The terms do not say, or say something unknown.
    """
    base = contract.terms.text("yield_fee_base")
    if base not in ("none", "yt_only", "net"):
        raise MarketDefinitionError(
            f"{contract.contract_id}: yield_fee_base = {base!r}; allowed are none, yt_only and net"
        )
    return base  # type: ignore[return-value]


def refuse_expired(contract: Contract, moment: datetime) -> None:
    """Refuse a live price at or after maturity, by the wall clock.

    Raises
    ------
    ExpiredError
        The contract has matured.
    """
    if is_expired(contract, moment):
        raise ExpiredError(
            f"{contract.contract_id} matured on {iso(contract.maturity)} and has no price as of {iso(moment)}: "
            "PT is redeemed at 1 ST (times the venue's haircut) and YT is worth only yield not yet paid. "
            "Ask with --as-of before maturity"
        )


def _refuse_negative(contract: Contract, implied_apy: float) -> None:
    if -1 < implied_apy < 0 and contract.terms.get("allow_negative_yield") is not True:
        raise DomainError(
            f"implied_apy = {implied_apy:.6g} is negative: PT would cost more than 1 ST and YT less than nothing, "
            f"which {contract.venue_id} does not trade"
        )
