"""A book of JLP loans over many paths of the virtual price (pool.md 10-11).

All debt grows with one index, so a loan is past its limit where the virtual price over the index is below the loan's
liquidation price today. Sorted by that price, the loans past theirs are always the first so many of the book, and
the running minimum of a path tells how many. What a step liquidates are then sums over a stretch of the sorted
book, so that the work grows with paths and steps, not with loans.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

from yieldtrade.elementwise import checked, not_negative, positive
from yieldtrade.errors import DomainError
from yieldtrade.pool.integers import whole
from yieldtrade.pool.loan_terms import FeeBase, repayment_multiple
from yieldtrade.pool.state import settle_fields

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from yieldtrade.pool.parameters import LoanParameters

__all__ = ["LoanBook", "LoanBookResult", "simulate_loan_book"]

# Prices worked on at once; a block and its temporaries take some hundred MB at most.
_CELLS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoanBook:
    """Loans outstanding at one moment: two series of one length, collateral above 0 and debt 0 or more."""

    collateral_jlp: NDArray[np.float64]
    debt_usdc: NDArray[np.float64]

    def __post_init__(self) -> None:
        import numpy as np

        settle_fields(self, ("collateral_jlp",), positive)
        settle_fields(self, ("debt_usdc",), not_negative)
        shapes = np.shape(self.collateral_jlp), np.shape(self.debt_usdc)
        if shapes[0] != shapes[1] or len(shapes[0]) != 1 or not shapes[0][0]:
            raise DomainError(
                f"collateral_jlp{shapes[0]} and debt_usdc{shapes[1]}: a book is two series of one length"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoanBookResult:
    """What happens to a book on each path, arrays of one entry a path; USD at the step of execution.

    Attributes
    ----------
    liquidated_count, liquidated_debt_usd
        Loans liquidated and their debt with interest.
    collateral_usd
        Their collateral: what is burnt and what is returned.
    burnt_usd, returned_usd
        Collateral burnt for debt and fee, and returned to borrowers.
    fees_usd
        Fees that reach the pool.
    bad_debt_usd, unpaid_fee_usd
        Debt and fees that the collateral did not cover.
    loans_with_bad_debt
        How many loans left bad debt.
    first_liquidation_step
        Step of the first execution; NaN where there is none.
    pending_count, pending_debt_usd
        Loans past their limit whose execution falls after the end of the path, and their debt at its end. Their
        outcome is not known and counted nowhere else.
    """

    liquidated_count: NDArray[np.float64]
    liquidated_debt_usd: NDArray[np.float64]
    collateral_usd: NDArray[np.float64]
    burnt_usd: NDArray[np.float64]
    returned_usd: NDArray[np.float64]
    fees_usd: NDArray[np.float64]
    bad_debt_usd: NDArray[np.float64]
    unpaid_fee_usd: NDArray[np.float64]
    loans_with_bad_debt: NDArray[np.float64]
    first_liquidation_step: NDArray[np.float64]
    pending_count: NDArray[np.float64]
    pending_debt_usd: NDArray[np.float64]


class _SortedBook(NamedTuple):
    """The book from the highest liquidation price down, with running sums that start at 0."""

    ratio: NDArray[np.float64]  # debt a share
    debt: NDArray[np.float64]
    jlp: NDArray[np.float64]


class _Terms(NamedTuple):
    liquidation_ltv: float
    multiple: float
    delay: int


class _Events(NamedTuple):
    """Loans ``begin`` to ``end`` of the sorted book that pass their limit at one step of one path."""

    path: NDArray[np.intp]
    step: NDArray[np.intp]
    begin: NDArray[np.intp]
    end: NDArray[np.intp]


def simulate_loan_book(
    book: LoanBook,
    price_paths: Any,
    params: LoanParameters,
    *,
    borrow_rate: Any,
    dt_years: float,
    delay_steps: int = 0,
    fee_base: FeeBase = "debt",
) -> LoanBookResult:
    """Liquidate a book of loans along paths of the virtual price (pool.md 10-11).

    A loan is past its limit at the first step at which its LTV is above the liquidation LTV, and is liquidated
    ``delay_steps`` later at the price and with the interest of that step, whatever the price did meanwhile. Nobody
    repays, adds collateral or borrows.

    Parameters
    ----------
    book
        Loans at step 0.
    price_paths
        Virtual price, above 0, of shape (paths, steps); a single path may be one series. Step 0 is the present.
    params
        Liquidation LTV and fee, one number each.
    borrow_rate
        Continuously compounded rate a year of all debt, 0 or more: one number, one an interval (steps - 1), or
        one an interval of each path (paths, steps - 1).
    dt_years
        Years of a step.
    delay_steps
        Steps between passing the limit and execution.
    fee_base
        As in :func:`yieldtrade.pool.loan_terms.repayment_multiple`.

    Raises
    ------
    DomainError
        A value outside its domain, or a shape that is none of these.
    """
    import numpy as np

    prices = np.atleast_2d(checked("price_paths", price_paths, positive("price_paths")))
    if prices.ndim != 2 or not prices.size:  # noqa: PLR2004 - paths and steps
        raise DomainError(f"price_paths of shape {prices.shape} must have paths and steps")
    index = _index(borrow_rate, dt_years, prices.shape)
    terms = _terms(params, delay_steps, fee_base)
    ordered = _sorted(book)
    parts = [
        _simulate(ordered, prices[rows], index[rows] if len(index) > 1 else index, terms)
        for rows in _blocks(prices.shape)
    ]
    names = (field.name for field in fields(LoanBookResult))
    return LoanBookResult(**{name: np.concatenate([part[name] for part in parts]) for name in names})


def _terms(params: LoanParameters, delay_steps: int, fee_base: FeeBase) -> _Terms:
    multiple = repayment_multiple(params.liquidation_fee, fee_base)
    if not (isinstance(multiple, float) and isinstance(params.liquidation_ltv, float)):
        raise DomainError("params: the simulation takes one liquidation LTV and one fee")
    return _Terms(params.liquidation_ltv, multiple, whole("delay_steps", delay_steps, 0))


def _index(borrow_rate: Any, dt_years: float, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Index of debt at each step, 1 at step 0; a row a path, or one row for all."""
    import numpy as np

    rate = np.atleast_2d(checked("borrow_rate", borrow_rate, not_negative("borrow_rate")))
    paths, intervals = shape[0], shape[1] - 1
    if rate.shape not in {(1, 1), (1, intervals), (paths, intervals)}:
        raise DomainError(
            f"borrow_rate of shape {rate.shape}: give one number, {intervals} (one an interval) or "
            f"({paths}, {intervals}) for each path"
        )
    years = float(checked("dt_years", dt_years, positive("dt_years")))
    growth = np.broadcast_to(rate * years, (len(rate), intervals))
    index = np.ones((len(rate), shape[1]))
    with np.errstate(over="ignore"):
        np.exp(np.cumsum(growth, axis=1), out=index[:, 1:])
    return np.asarray(checked("index", index))


def _sorted(book: LoanBook) -> _SortedBook:
    import numpy as np

    ratio = book.debt_usdc / book.collateral_jlp
    order = np.argsort(-ratio, kind="stable")
    sums = (np.append(0.0, np.cumsum(amount[order])) for amount in (book.debt_usdc, book.collateral_jlp))
    return _SortedBook(ratio[order], *sums)


def _blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    step = max(1, _CELLS // shape[1])
    for start in range(0, shape[0], step):
        yield slice(start, start + step)


def _above(ratio: NDArray[np.float64], price: NDArray[np.float64]) -> NDArray[np.intp]:
    """How many of a falling series are strictly above each price."""
    import numpy as np

    return np.searchsorted(-ratio, -price, side="left")


def _simulate(
    book: _SortedBook, prices: NDArray[np.float64], index: NDArray[np.float64], terms: _Terms
) -> dict[str, NDArray[np.float64]]:
    """Fields of the result for a block of paths."""
    import numpy as np

    paths, steps = prices.shape
    index = np.broadcast_to(index, prices.shape)
    events = _events(book, prices / index, terms.liquidation_ltv)
    done = events.step + terms.delay < steps
    executed = _Events(*(values[done] for values in events))
    pending = _Events(*(values[~done] for values in events))
    run = executed.step + terms.delay
    amounts = _amounts(book, executed, prices[executed.path, run], index[executed.path, run], terms.multiple)
    waiting = (book.debt[pending.end] - book.debt[pending.begin]) * index[pending.path, -1]
    first = np.full(paths, np.inf)
    np.minimum.at(first, executed.path, run)
    return {
        **{name: np.bincount(executed.path, amount, paths) for name, amount in amounts.items()},
        "first_liquidation_step": np.where(np.isinf(first), np.nan, first),
        "pending_count": np.bincount(pending.path, (pending.end - pending.begin).astype(float), paths),
        "pending_debt_usd": np.bincount(pending.path, waiting, paths),
    }


def _events(book: _SortedBook, discounted: NDArray[np.float64], liquidation_ltv: float) -> _Events:
    import numpy as np

    lowest = np.minimum.accumulate(discounted, axis=1)
    passed = _above(book.ratio / liquidation_ltv, lowest)
    before = np.zeros_like(passed)
    before[:, 1:] = passed[:, :-1]
    path, step = np.nonzero(passed > before)
    return _Events(path, step, before[path, step], passed[path, step])


def _amounts(
    book: _SortedBook,
    events: _Events,
    price: NDArray[np.float64],
    index: NDArray[np.float64],
    multiple: float,
) -> dict[str, NDArray[np.float64]]:
    """What each event liquidates: its loans from ``begin`` leave bad debt, then unpaid fees, then something.

    The three stretches follow one another because the loans are sorted by debt a share.
    """
    import numpy as np

    begin, end = events.begin, events.end
    no_debt = np.clip(_above(book.ratio, price / index), begin, end)
    no_fee = np.clip(_above(book.ratio * multiple, price / index), no_debt, end)

    def debt(start: NDArray[np.intp], stop: NDArray[np.intp]) -> NDArray[np.float64]:
        return (book.debt[stop] - book.debt[start]) * index

    def worth(start: NDArray[np.intp], stop: NDArray[np.intp]) -> NDArray[np.float64]:
        return (book.jlp[stop] - book.jlp[start]) * price

    # differences of sums: a hair below 0 where the true figure is 0
    bad = np.maximum(debt(begin, no_debt) - worth(begin, no_debt), 0.0)
    fee_part = np.maximum(worth(no_debt, no_fee) - debt(no_debt, no_fee), 0.0)
    unpaid = (multiple - 1.0) * debt(begin, no_fee) - fee_part
    fees = (multiple - 1.0) * debt(no_fee, end) + fee_part
    returned = np.maximum(worth(no_fee, end) - multiple * debt(no_fee, end), 0.0)
    collateral = worth(begin, end)
    return {
        "liquidated_count": (end - begin).astype(float),
        "liquidated_debt_usd": debt(begin, end),
        "collateral_usd": collateral,
        "burnt_usd": collateral - returned,
        "returned_usd": returned,
        "fees_usd": fees,
        "bad_debt_usd": bad,
        "unpaid_fee_usd": np.maximum(unpaid, 0.0),
        "loans_with_bad_debt": (no_debt - begin).astype(float),
    }
