"""Frozen values, typed ids, units, errors, clock and ids: what every floor may use."""
