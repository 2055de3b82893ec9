"""Durable execution and compute: workflows that survive, processes that do the work."""
