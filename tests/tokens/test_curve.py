"""Oracles: QuantLib's curves of discount factors and of bootstrapped bonds, derivations and markets by hand."""

import math
import pickle
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType

import numpy as np
import pytest
import QuantLib
from hypothesis import assume, given
from hypothesis import strategies as st

from yieldtrade.errors import (
    DataError,
    DomainError,
    ExpiredError,
    MarketDefinitionError,
    MissingDataError,
    UnknownNameError,
)
from yieldtrade.market import Contract, Figure, MarketView, Parameter, Terms, Venue, YieldQuote
from yieldtrade.tokens.curve import ImpliedYieldCurve, RollDown, curve_of

AS_OF = datetime(2026, 3, 2, tzinfo=UTC)
DAY_COUNT = QuantLib.Actual365Fixed()
HALF_AND_ONE = [timedelta(days=182.5), timedelta(days=365)]

maturities = st.lists(st.integers(1, 1_500), min_size=1, max_size=6, unique=True).map(sorted)
yields = st.floats(-0.3, 2.0)


@st.composite
def curves(draw, *, whole_days=False):
    """A curve of up to six nodes; its moments fall on any second, or on whole days."""
    days = draw(maturities)
    rates = draw(st.lists(yields, min_size=len(days), max_size=len(days)))
    seconds = (
        [0] * (len(days) + 1)
        if whole_days
        else draw(st.lists(st.integers(0, 86_399), min_size=len(days) + 1, max_size=len(days) + 1))
    )
    as_of, *ends = [AS_OF + timedelta(days=d, seconds=s) for d, s in zip([0, *days], seconds, strict=True)]
    return ImpliedYieldCurve.from_yields(as_of, ends, rates)


def half_and_one(*rates):
    """A curve with nodes at exactly half a year and a year."""
    return ImpliedYieldCurve.from_yields(AS_OF, [AS_OF + after for after in HALF_AND_ONE], rates)


def quantlib_day(moment):
    """A moment's date in QuantLib's form."""
    return QuantLib.Date(moment.day, moment.month, moment.year)


@pytest.fixture
def evaluation_date():
    """QuantLib's global evaluation date, put back as it was afterwards."""
    before = QuantLib.Settings.instance().evaluationDate
    QuantLib.Settings.instance().evaluationDate = quantlib_day(AS_OF)
    yield QuantLib.Settings.instance()
    QuantLib.Settings.instance().evaluationDate = before


@given(curves(whole_days=True), st.floats(0, 1), st.floats(0.01, 1))
def test_whole_day_curves_agree_with_quantlib(curve, low, high):
    """Zero yields, forwards and discounts on whole days are QuantLib's, compounded annually on Actual/365."""
    last = (curve.nodes[-1].maturity - AS_OF).days
    end = max(1, round(high * last))
    start = min(round(low * last), end - 1)
    theirs = QuantLib.DiscountCurve(
        [quantlib_day(AS_OF), *(quantlib_day(node.maturity) for node in curve.nodes)],
        [1.0, *((1 + node.implied_apy) ** -((node.maturity - AS_OF).days / 365) for node in curve.nodes)],
        DAY_COUNT,
    )
    zero = theirs.zeroRate(end / 365, QuantLib.Compounded, QuantLib.Annual).rate()
    forward = theirs.forwardRate(start / 365, end / 365, QuantLib.Compounded, QuantLib.Annual).rate()
    assert curve.discount(end / 365) == pytest.approx(theirs.discount(end / 365), rel=1e-12)
    assert curve.zero_yield(end / 365) == pytest.approx(zero, rel=1e-12, abs=1e-12)
    # a discount factor known to one part in 1e16 fixes a forward over n days to 365/n parts of it
    noise = 1e-15 * 365 / (end - start) * (1 + forward)
    assert curve.forward_yield(start / 365, end / 365) == pytest.approx(forward, rel=1e-12, abs=1e-12 + noise)


def test_a_bond_bootstrap_gives_the_same_curve(evaluation_date):
    """QuantLib's piecewise bootstrap from prices of zero bonds finds the curve that from_prices builds."""
    days, prices = [30, 75, 160, 400, 730], [0.991, 0.978, 0.9795, 0.89, 0.80]
    today = quantlib_day(AS_OF)
    helpers = [
        QuantLib.BondHelper(
            QuantLib.QuoteHandle(QuantLib.SimpleQuote(100 * price)),
            QuantLib.ZeroCouponBond(
                0, QuantLib.NullCalendar(), 100, today + after, QuantLib.Unadjusted, 100, today
            ),
        )
        for after, price in zip(days, prices, strict=True)
    ]
    theirs = QuantLib.PiecewiseLogLinearDiscount(today, helpers, DAY_COUNT)
    ours = ImpliedYieldCurve.from_prices(AS_OF, [AS_OF + timedelta(days=after) for after in days], prices)
    asked = np.arange(1, 731) / 365
    assert ours.discount(asked) == pytest.approx([theirs.discount(t) for t in asked], abs=1e-12)
    assert ours.zero_yield(asked) == pytest.approx(
        [theirs.zeroRate(t, QuantLib.Compounded, QuantLib.Annual).rate() for t in asked], abs=1e-12
    )


@given(curves(), st.floats(0, 1.2))
def test_quantlib_asked_at_the_warped_time_answers_for_the_exact_time(curve, part):
    """The curve handed to QuantLib, whose dates are whole days, gives the discount of the exact second."""
    tau = part * curve.nodes[-1].tau
    theirs = curve.to_quantlib().discount(curve.quantlib_time(tau), True)
    assert curve.discount(tau, extrapolate=True) == pytest.approx(theirs, rel=1e-13)
    assert curve.quantlib_time(np.array([0.0, tau]))[1] == curve.quantlib_time(tau)


def test_the_logarithm_of_discount_is_linear_in_exact_time():
    """Between nodes at odd hours ln D is interpolated in seconds, not in days."""
    early, late = AS_OF + timedelta(days=10, hours=13, seconds=7), AS_OF + timedelta(days=30, hours=2)
    curve = ImpliedYieldCurve.from_prices(AS_OF, [early, late], [0.995, 0.982])
    moment = AS_OF + timedelta(days=20, hours=17, seconds=1)
    share = (moment - early) / (late - early)
    expected = math.exp((1 - share) * math.log(0.995) + share * math.log(0.982))
    assert curve.discount((moment - AS_OF).total_seconds() / 31_536_000) == pytest.approx(expected, rel=1e-14)


def test_the_global_evaluation_date_is_left_alone(evaluation_date):
    """Building and asking a curve changes nothing in QuantLib, and its date changes nothing in the curve."""
    before = half_and_one(0.1, 0.2)
    evaluation_date.evaluationDate = QuantLib.Date(1, 1, 2030)
    curve = half_and_one(0.1, 0.2)
    assert curve.discount([0.2, 0.9]).tolist() == before.discount([0.2, 0.9]).tolist()
    assert curve.check_no_arbitrage(tol=0) == []
    assert evaluation_date.evaluationDate == QuantLib.Date(1, 1, 2030)


@given(curves())
def test_nodes_come_back_to_the_last_digit(curve):
    """Yields and prices at the nodes are exactly those that went in."""
    taus = [node.tau for node in curve.nodes]
    assert curve.zero_yield(taus).tolist() == [node.implied_apy for node in curve.nodes]
    assert curve.discount(taus).tolist() == [node.pt_price for node in curve.nodes]
    assert [curve.zero_yield(tau) for tau in taus] == curve.zero_yield(taus).tolist()
    assert curve.discount(0) == 1


def test_prices_and_yields_build_the_same_curve():
    """A curve from the prices of another has its yields, and the prices exactly."""
    first = half_and_one(0.07, 0.30)
    prices = [1.07**-0.5, 1 / 1.3]
    second = ImpliedYieldCurve.from_prices(
        AS_OF, [node.maturity for node in first.nodes], prices, names=["A-1", "A-2"]
    )
    assert [node.pt_price for node in second.nodes] == prices
    assert [node.implied_apy for node in second.nodes] == pytest.approx([0.07, 0.30], rel=1e-14)
    assert [node.name for node in second.nodes] == ["A-1", "A-2"]
    assert [node.name for node in first.nodes] == ["2026-08-31T12:00:00Z", "2027-03-02T00:00:00Z"]
    assert second.discount(0.75) == pytest.approx(first.discount(0.75), rel=1e-15)


def test_forwards_by_hand():
    """10 % to half a year and 20 % to a year: (1.2/1.1^0.5)^2 - 1 between, and D1 - D2 for the strip."""
    curve = half_and_one(0.10, 0.20)
    between = 1.44 / 1.10 - 1
    assert curve.forward_yield(0.5, 1.0) == pytest.approx(between, rel=1e-14)
    assert curve.forward_yield(0.6, 0.7) == pytest.approx(between, rel=1e-13)
    # no digits are lost over the shortest time, also from a node
    assert curve.forward_yield([0.5, 0.6], [0.5 + 1e-9, 0.6 + 1e-9]) == pytest.approx(between, rel=1e-13)
    assert curve.forward_yield(0, 0.3) == pytest.approx(0.10, rel=1e-14)
    assert curve.forward_yield(0.25, 0.75) == pytest.approx(math.sqrt(1.10 * (1 + between)) - 1, rel=1e-14)
    assert curve.forward_yt_price(0.5, 1.0) == pytest.approx(1.1**-0.5 - 1 / 1.2, rel=1e-14)
    assert curve.forward_yt_price(0, 1.0) == pytest.approx(1 - 1 / 1.2, rel=1e-14)
    assert curve.forward_yield(1.0, 2.0, extrapolate=True) == pytest.approx(between, rel=1e-14)


@given(curves(), st.lists(st.floats(0.001, 1), min_size=2, max_size=5, unique=True))
def test_forwards_compound_and_strips_add_up(curve, parts):
    """Growing along the forwards is growing at the zero yield, and the strips cost one YT."""
    ends = np.sort(parts) * curve.nodes[-1].tau
    starts = np.array([0.0, *ends[:-1]])
    forwards = curve.forward_yield(starts, ends)
    # 1 + f holds few digits of a forward that loses almost everything
    assume(forwards.min() > -0.99)
    growth = np.prod((1 + forwards) ** (ends - starts))
    assert growth == pytest.approx((1 + curve.zero_yield(ends[-1])) ** ends[-1], rel=1e-12)
    strips = math.fsum(curve.forward_yt_price(starts, ends))
    assert strips == pytest.approx(1 - curve.discount(ends[-1]), abs=1e-13 * curve.discount(ends).max())


def test_one_node_is_a_flat_curve():
    """A single yield holds at every time, and beyond its maturity where that is asked for."""
    curve = ImpliedYieldCurve.from_yields(AS_OF, [AS_OF + timedelta(days=40, hours=5)], [0.25])
    times = np.array([0.0, 1e-9, 0.01, curve.nodes[0].tau, 3.0])
    assert curve.zero_yield(times, extrapolate=True) == pytest.approx(0.25, rel=1e-12)
    assert curve.forward_yield(times[:-1], times[1:], extrapolate=True) == pytest.approx(0.25, rel=1e-12)
    assert curve.discount(3.0, extrapolate=True) == pytest.approx(1.25**-3, rel=1e-12)


def test_roll_down_by_hand():
    """The one-year PT over half a year at 10 % and 20 %: four readings, each written out."""
    rolled = half_and_one(0.10, 0.20).roll_down(1.0, 0.5)
    carry, total = math.sqrt(1.2) - 1, 1.2 / math.sqrt(1.1) - 1
    assert rolled == pytest.approx(
        RollDown(
            carry=carry,
            total=total,
            roll_down=(1 + total) / (1 + carry) - 1,
            forwards_realised=math.sqrt(1.1) - 1,
        ),
        rel=1e-13,
    )


def test_a_flat_curve_has_no_roll_down():
    """Where the curve is flat all four readings are the carry, and the roll-down is exactly nothing."""
    curve = ImpliedYieldCurve.from_yields(AS_OF, [AS_OF + timedelta(days=75)], [0.23])
    rolled = curve.roll_down(np.array([0.03, curve.nodes[0].tau]), 0.02)
    expected = pytest.approx(1.23**0.02 - 1, rel=1e-12)
    assert rolled.carry == expected
    assert rolled.total == expected
    assert rolled.forwards_realised == expected
    assert rolled.roll_down.tolist() == [0.0, 0.0]
    assert curve.roll_down(curve.nodes[0].tau, curve.nodes[0].tau).roll_down == 0


def test_a_made_arbitrage_is_found():
    """A year's PT that costs more than half a year's: its pair, the difference of prices, a negative forward."""
    ends = [AS_OF + after for after in HALF_AND_ONE]
    curve = ImpliedYieldCurve.from_prices(AS_OF, ends, [0.95, 0.96], names=["A-1", "A-2"])
    (violation,) = curve.check_no_arbitrage(tol=0)
    assert violation[:2] == ("A-1", "A-2")
    assert violation.size_st == pytest.approx(0.01, rel=1e-13)
    assert violation.forward_apy == pytest.approx((0.95 / 0.96) ** 2 - 1, rel=1e-13)
    assert curve.check_no_arbitrage(tol=0.011) == []
    assert curve.nodes[1].pt_price == 0.96


def test_small_rises_that_add_up_are_found_from_end_to_end():
    """Each rise is within the cost, the two together are not: the pair of the ends is the only violation."""
    ends = [AS_OF + timedelta(days=after) for after in (30, 60, 90)]
    curve = ImpliedYieldCurve.from_prices(AS_OF, ends, [0.970, 0.975, 0.980], names=["A", "B", "C"])
    assert [v[:2] for v in curve.check_no_arbitrage(tol=0.006)] == [("A", "C")]
    assert [v[:2] for v in curve.check_no_arbitrage(tol=0)] == [("A", "C"), ("A", "B"), ("B", "C")]


def test_a_price_above_one_st_is_an_arbitrage_against_st():
    """A negative yield to the first maturity is found against ST itself."""
    curve = half_and_one(-0.02, 0.10)
    (violation,) = curve.check_no_arbitrage(tol=0)
    assert violation[:2] == ("ST", curve.nodes[0].name)
    assert violation.size_st == pytest.approx(0.98**-0.5 - 1, rel=1e-13)
    assert violation.forward_apy == pytest.approx(-0.02, rel=1e-12)
    assert half_and_one(0.0, 0.0).check_no_arbitrage(tol=0) == []


@pytest.mark.parametrize("method", ["discount", "zero_yield"])
def test_times_off_the_curve_are_refused(method):
    """Before now and after the last node there is no answer; extrapolation is asked for by name."""
    curve = half_and_one(0.1, 0.2)
    ask = getattr(curve, method)
    for tau, message in [
        (1.0000001, "beyond the last node"),
        (-1e-9, "0 or more"),
        (math.nan, "finite"),
        (True, "bool"),
        ("1", "numbers are required"),
    ]:
        with pytest.raises(DomainError, match=message):
            ask([0.5, tau] if isinstance(tau, float) else tau)
    with pytest.raises(DomainError, match=r"tau\[1\] = 1.5"):
        ask([0.5, 1.5, -1])
    found = ask([0.5, 1.5, math.inf], on_error="nan")
    assert np.isnan(found).tolist() == [False, True, True]
    assert found[0] == ask(0.5)
    assert ask(1.5, extrapolate=True) > 0


def test_forwards_and_holdings_off_the_curve_are_refused():
    """A forward runs forwards inside the curve; a holding ends with the PT at the latest."""
    curve = half_and_one(0.1, 0.2)
    for start, end in [(0.5, 0.5), (0.6, 0.5), (-0.1, 0.5), (0.5, 1.1)]:
        for ask in (curve.forward_yield, curve.forward_yt_price):
            with pytest.raises(DomainError):
                ask(start, end)
    for tau, horizon in [(0.5, 0.6), (0.5, 0.0), (0.5, -0.1), (1.1, 0.5), (0.5, math.nan)]:
        with pytest.raises(DomainError):
            curve.roll_down(tau, horizon)
    for cost in (-1e-9, math.nan, True):
        with pytest.raises(DomainError, match="tol"):
            curve.check_no_arbitrage(tol=cost)


@pytest.mark.parametrize("tau", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_numbers_and_arrays_answer_alike(tau):
    """A number gives a float, an array the same figures in its shape."""
    curve = half_and_one(0.1, 0.2)
    for ask in (curve.discount, curve.zero_yield, curve.quantlib_time):
        one, many = ask(tau), ask(np.full((2, 3), tau))
        assert type(one) is float
        assert many.shape == (2, 3)
        assert (many == one).all()
    assert curve.forward_yield(np.zeros((2, 1)), np.array([0.3, 0.8])).shape == (2, 2)
    assert type(curve.roll_down(1.0, 0.5).total) is float


@pytest.mark.parametrize(
    ("after_days", "rates", "error", "message"),
    [
        ([], [], DomainError, "at least one PT"),
        ([30, 20], [0.1, 0.1], DomainError, "in order"),
        ([30, 30.5], [0.1, 0.1], DomainError, "one a date"),
        ([0.9, 30], [0.1, 0.1], DomainError, "after the date of valuation"),
        ([-1], [0.1], ExpiredError, "expired"),
        ([30, 60], [0.1], DomainError, "implied_apy holds 1 for 2 maturities"),
        ([30, 60], [0.1, math.nan], DomainError, r"implied_apy\[1\]"),
        ([30, 60], [0.1, -1.0], DomainError, "above -1"),
        ([30], [True], DomainError, "bool"),
        ([70_000], [0.1], DomainError, "QuantLib cannot hold"),
        ([30_000], [1e5], DomainError, "must be above 0"),
    ],
)
def test_nodes_that_make_no_curve_are_refused(after_days, rates, error, message):
    """Wrong nodes raise an error that says which and why."""
    ends = [AS_OF + timedelta(days=after) for after in after_days]
    with pytest.raises(error, match=message):
        ImpliedYieldCurve.from_yields(AS_OF, ends, rates)


def test_prices_and_moments_that_make_no_curve_are_refused():
    """Prices are positive, moments have a zone, names are as many as maturities."""
    end = AS_OF + timedelta(days=30)
    for price in (0.0, -0.5, math.inf):
        with pytest.raises(DomainError):
            ImpliedYieldCurve.from_prices(AS_OF, [end], [price])
    with pytest.raises(DomainError, match="time zone"):
        ImpliedYieldCurve.from_yields(AS_OF.replace(tzinfo=None), [end], [0.1])
    with pytest.raises(DomainError, match="names holds 2 for 1"):
        ImpliedYieldCurve.from_yields(AS_OF, [end], [0.1], names=["A", "B"])


def test_a_curve_is_a_value():
    """Equal nodes make equal curves, also after a journey to another process."""
    curve = half_and_one(0.1, 0.2)
    assert pickle.loads(pickle.dumps(curve)) == curve == half_and_one(0.1, 0.2)  # noqa: S301
    assert curve != half_and_one(0.1, 0.21)
    elsewhere = [node.maturity.astimezone(timezone(timedelta(hours=9))) for node in curve.nodes]
    assert ImpliedYieldCurve.from_yields(AS_OF, elsewhere, [0.1, 0.2]) == curve


def terms(**values):
    """Terms from a plain mapping."""
    return Terms(
        owner="made",
        parameters=MappingProxyType(
            {
                name: Parameter(
                    name=name, value=value, unit="", valid_from=AS_OF, basis="assumed", source="by hand"
                )
                for name, value in values.items()
            }
        ),
    )


def contract(name, days, *, venue="v1", underlying="Coin", clock="wall", basis="index", figures=()):
    """A contract that matures some days after the view's moment."""
    return Contract(
        contract_id=name,
        venue_id=venue,
        underlying=underlying,
        maturity=AS_OF + timedelta(days=days),
        clock=clock,
        terms=terms(
            distribution_basis=basis, epoch_anchor="2026-02-27T00:00:00+00:00", epoch_seconds=604_800
        ),
        figures=figures,
    )


def quote(name, rate, *, age_days=0.1, liquidity_usd=1e6):
    """A market quote of some age."""
    return YieldQuote(
        contract_id=name,
        at=AS_OF - timedelta(days=age_days),
        implied_apy=rate,
        pt_price=0.5,
        yt_price=0.5,
        underlying_apy=None,
        liquidity_usd=liquidity_usd,
        underlying_price_usd=None,
        kind="market",
        source="by hand",
    )


@dataclass
class Facts:
    """What a view needs to know to make a curve."""

    made: list
    quotes: list

    def contracts(self):
        """All contracts."""
        return tuple(self.made)

    def contract_ids(self):
        """Their names."""
        return tuple(c.contract_id for c in self.made)

    def contract(self, name):
        """One of them."""
        return next((c for c in self.made if c.contract_id == name), None)

    def venue_ids(self):
        """Names of the venues."""
        return tuple(sorted({c.venue_id for c in self.made}))

    def venue(self, venue_id):
        """One venue."""
        return Venue(venue_id, venue_id, terms()) if venue_id in self.venue_ids() else None

    def latest_quotes(self, contract_id):
        """Last quote of one contract, or of each."""
        return {q.contract_id: q for q in self.quotes if contract_id in (None, q.contract_id)}


def view(contracts, quotes):
    """A view of a made market."""
    return MarketView(as_of=AS_OF, facts=Facts(contracts, quotes))


def names(curve):
    """The nodes of a curve, by name."""
    return [node.name for node in curve.nodes]


def reasons(curve):
    """Why contracts are not on a curve."""
    return dict(curve.left_out)


def test_a_curve_of_a_market_takes_what_is_live_and_fresh():
    """Nodes stand in order of maturity; stale, unquoted, undated and today's contracts are left out, expired unseen."""
    undated = Figure(kind="pool", at=None, implied_apy=0.3, yt_price=None, source="by hand")
    made = view(
        [
            contract("LATE", 90),
            contract("SOON", 10),
            contract("STALE", 20),
            contract("BARE", 30),
            contract("UNDATED", 40, figures=(undated,)),
            contract("TODAY", 0.6),
            contract("GONE", -1),
            contract("OTHER", 15, underlying="Other"),
        ],
        [
            quote("LATE", 0.2),
            quote("SOON", 0.1, age_days=1.0),
            quote("STALE", 0.15, age_days=1.01),
            quote("TODAY", 0.1),
            quote("GONE", 0.1),
            quote("OTHER", 0.4),
        ],
    )
    curve = curve_of(made, "coin", max_age_days=1.0)
    assert names(curve) == ["SOON", "LATE"]
    assert [node.implied_apy for node in curve.nodes] == [0.1, 0.2]
    # the stored price is of another moment: the yield is carried, the price is not
    assert curve.nodes[0].pt_price == pytest.approx(1.1 ** -(10 / 365), rel=1e-14)
    assert curve.nodes[1].quote.at == AS_OF - timedelta(days=0.1)
    assert set(reasons(curve)) == {"STALE", "BARE", "UNDATED", "TODAY"}
    for name, word in [("STALE", "old"), ("BARE", "no quote"), ("UNDATED", "undated"), ("TODAY", "today")]:
        assert word in reasons(curve)[name]
    assert names(curve_of(made, "Coin", max_age_days=2.0)) == ["SOON", "STALE", "LATE"]


def test_an_epoch_clock_hands_over_its_yield():
    """The price of a contract whose period began three days ago counts from then; on the curve it counts from now."""
    made = view([contract("E", 46, clock="epoch")], [quote("E", 0.30)])
    (node,) = curve_of(made, "Coin").nodes
    assert node.implied_apy == 0.30
    assert node.pt_price == pytest.approx(1.3 ** -(46 / 365), rel=1e-14)


def test_of_two_on_one_date_the_deeper_stays():
    """The market with more liquidity is the node; where neither is known to be deeper there is no curve."""
    contracts = [contract("THIN", 30.2), contract("DEEP", 30.1), contract("LATER", 60)]
    rates = [quote("DEEP", 0.1, liquidity_usd=2e6), quote("LATER", 0.2, liquidity_usd=None)]
    curve = curve_of(view(contracts, [quote("THIN", 0.3, liquidity_usd=1e6), *rates]), "Coin")
    assert names(curve) == ["DEEP", "LATER"]
    assert "DEEP" in reasons(curve)["THIN"]
    for depth in (None, 2e6):
        with pytest.raises(DataError, match="mature on one date"):
            curve_of(view(contracts, [quote("THIN", 0.3, liquidity_usd=depth), *rates]), "Coin")
    stale = quote("THIN", 0.3, liquidity_usd=None, age_days=9)
    assert names(curve_of(view(contracts, [stale, *rates]), "Coin")) == ["DEEP", "LATER"]


def test_one_curve_is_of_one_st():
    """Two venues need a name; contracts that are paid by different rules have no curve in common."""
    two = view(
        [contract("A", 30), contract("B", 60, venue="v2"), contract("C", 90, basis="apy")],
        [quote("A", 0.1), quote("B", 0.2)],
    )
    with pytest.raises(DomainError, match="v1 and v2"):
        curve_of(two, "Coin")
    assert names(curve_of(two, "Coin", "v2")) == ["B"]
    assert names(curve_of(two, "Coin", "v1")) == ["A"]
    with pytest.raises(MarketDefinitionError, match="apy and index"):
        curve_of(two.with_yields({"C": 0.3}), "Coin", "v1")


def test_the_users_yields_stand_in_for_quotes():
    """A yield the user states is a node of its own, whatever is stored or stale."""
    made = view([contract("A", 30), contract("B", 60)], [quote("A", 0.1, age_days=50)])
    curve = curve_of(made.with_yields({"A": 0.12, "B": 0.2}), "Coin")
    assert [(node.name, node.implied_apy, node.quote.kind) for node in curve.nodes] == [
        ("A", 0.12, "given"),
        ("B", 0.2, "given"),
    ]


def test_a_market_without_a_curve_says_why():
    """Unknown names suggest the nearest; nothing usable lists what there is and what is wrong with it."""
    made = view([contract("A", 30)], [quote("A", 0.1, age_days=50)])
    with pytest.raises(UnknownNameError, match="Coin"):
        curve_of(made, "Coyn")
    with pytest.raises(UnknownNameError, match="venue"):
        curve_of(made, "Coin", "v9")
    with pytest.raises(MissingDataError, match=r"A: its quote is 50\.0 days old"):
        curve_of(made, "Coin")
    with pytest.raises(MissingDataError, match="none is live"):
        curve_of(view([contract("A", -1)], []), "Coin")
    for age in (0, -1, math.nan):
        with pytest.raises(DomainError, match="max_age_days"):
            curve_of(made, "Coin", max_age_days=age)


def test_the_curve_of_the_bundled_history(bundled):
    """On 20 April 2026 xSOL pays 23.06 % for a week and 25.34 % to August, of quotes of the day before."""
    moment = datetime(2026, 4, 20, tzinfo=UTC)
    curve = curve_of(bundled.view(moment), "xSOL")
    near, far = 7.5 / 365, 114.5 / 365
    assert names(curve) == ["xSOL-27APR26", "xSOL-12AUG26"]
    assert [node.tau for node in curve.nodes] == pytest.approx([near, far], rel=1e-15)
    growth = 1.25340161**far / 1.23060069**near
    assert curve.forward_yield(near, far) == pytest.approx(growth ** (1 / (far - near)) - 1, rel=1e-12)
    assert curve.check_no_arbitrage(tol=0) == []
