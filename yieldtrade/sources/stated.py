"""Check a parameter that the user states against the rules of the bundled ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldtrade.errors import MarketDefinitionError

if TYPE_CHECKING:
    from yieldtrade.market import ParameterValue

RULES = "parameters.toml"


def check_stated(key: str, name: str, value: ParameterValue) -> None:
    """Refuse a parameter that no rule knows, or a value outside its rule.

    Parameters
    ----------
    key
        ``OWNER.NAME`` as stated, for the message.
    name
        The parameter's own name.
    value
        What is stated.

    Raises
    ------
    MarketDefinitionError
        The name is not known, or the value is not allowed.
    """
    from yieldtrade.sources.bundled import bundled_files
    from yieldtrade.sources.definitions import read_definitions
    from yieldtrade.sources.parameter_rules import fault, nearest_names, rule_for

    rules = {rule.name: rule for rule in read_definitions({RULES: bundled_files()[RULES]}).rules}
    rule = rule_for(rules, name)
    if rule is None:
        raise MarketDefinitionError(f"{key}: no parameter is named {name!r}{nearest_names(rules, name)}")
    problem = fault(rule, value)
    if problem:
        raise MarketDefinitionError(f"{key} = {value!r}: {problem} ({rule.description})")
