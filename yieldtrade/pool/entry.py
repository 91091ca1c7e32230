"""Minting shares of a pool beside buying them at the market (pool.md 5-6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from yieldtrade.elementwise import checked, positive
from yieldtrade.errors import CapacityError, DomainError, MissingDataError
from yieldtrade.pool.minting import cheapest_entry, mint_jlp

if TYPE_CHECKING:
    from yieldtrade.pool.overview import PoolOverview


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryQuote:
    """A deposit into the pool beside the same dollars spent on shares at the market.

    ``gain_usd`` is what the better way is ahead by at the virtual price, before the market's own costs; it and
    what it rests on are None where the supply or the market price is not known. ``cheapest`` is the asset that
    mints most for the same dollars.
    """

    asset: str
    amount: float
    value_usd: float
    fee_bps: float
    fee_usd: float
    shares: float | None
    cost_per_share_usd: float | None
    market_price_usd: float | None
    market_shares: float | None
    better: str | None
    gain_usd: float | None
    cheapest: str
    cheapest_fee_bps: float
    notes: tuple[str, ...]


def entry_quote(
    overview: PoolOverview, asset: str, amount: float, *, price: float | None = None
) -> EntryQuote:
    """Return what a deposit mints, and whether the market is better.

    Parameters
    ----------
    overview
        The pool, with its parameters in force.
    asset
        What is deposited.
    amount
        Tokens.
    price
        USD a token; the stored custody's price where None, 1 for a stablecoin.

    Raises
    ------
    CapacityError
        The pool takes no such deposit; the message names the limit and the most it takes.
    MarketDefinitionError
        The fee on minting, the failsafe or the AUM limit was never published.
    MissingDataError
        The state is approximate and the coin's price is not given.
    DomainError
        A number outside its domain.
    """
    picture, params = overview.picture, overview.params
    custody = picture.state.custody(asset)
    each = _price(overview, asset, price)
    # an approximate state counts its assets in USD, so that a deposit is its value
    tokens = amount if picture.is_exact else amount * each
    try:
        minted = mint_jlp(picture.state, asset, tokens, params, initial_price=1.0)
    except CapacityError as error:
        most = error.maximum * custody.price
        raise CapacityError(
            f"a deposit of {amount:,.10g} {asset} is beyond the {error.binding.replace('_', ' ')}: the pool takes "
            f"at most {most / each:,.10g} {asset} ({most:,.2f} USD)",
            requested=amount,
            maximum=most / each,
            binding=error.binding,
        ) from None
    shares = float(minted.shares) if overview.supply else None
    market = overview.market_price.value if overview.market_price else None
    bought = minted.usd / market if market else None
    ranked = cheapest_entry(picture.state, minted.usd, params, initial_price=1.0)
    # of several that cost the same, the one asked about
    same = [entry for entry in ranked if entry.asset == asset and entry.fee_bps == ranked[0].fee_bps]
    cheapest = (*same, *ranked)[0]
    # prices of different days tell nothing of each other
    comparable = overview.premium is not None
    better, gain = _better(shares, bought if comparable else None, overview.virtual_price_usd)
    return EntryQuote(
        asset=asset,
        amount=amount,
        value_usd=float(minted.usd),
        fee_bps=float(minted.fee_bps),
        fee_usd=float(minted.fee_usd),
        shares=shares,
        cost_per_share_usd=minted.usd / shares if shares else None,
        market_price_usd=market,
        market_shares=bought,
        better=better,
        gain_usd=gain,
        cheapest=cheapest.asset,
        cheapest_fee_bps=float(cheapest.fee_bps or 0.0),
        notes=tuple(_notes(overview)),
    )


def _price(overview: PoolOverview, asset: str, price: float | None) -> float:
    custody = overview.picture.state.custody(asset)
    if price is not None and overview.picture.is_exact:
        raise DomainError(
            f"price = {price!r}: the stored custody of {asset} has its own, {float(custody.price):g}; leave it out"
        )
    if price is not None:
        return float(checked("price", price, positive("price")))
    if overview.picture.is_exact:
        return float(custody.price)
    if custody.is_stable:
        return 1.0
    raise MissingDataError(f"the price of {asset} is not stored with the pool's state; give it with --price")


def _better(
    minted: float | None, bought: float | None, virtual: float | None
) -> tuple[str | None, float | None]:
    if minted is None or bought is None or virtual is None:
        return None, None
    ahead = (minted - bought) * virtual
    return ("mint" if ahead > 0 else "market" if ahead < 0 else "either"), abs(ahead)


def _notes(overview: PoolOverview) -> list[str]:
    notes = []
    if overview.market_price is None:
        notes.append("no market price is known: give --market-price to compare")
    elif overview.premium is None:
        at = overview.market_price.at.date()
        notes.append(f"the market price is of {at}, another day than the state: nothing is compared")
    if not overview.picture.is_exact:
        notes.append("the state is approximate, so are the fee and the shares")
    return notes
