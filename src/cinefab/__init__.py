"""Cinefab: films made on demand, on time, signed and costed."""

__version__ = "0.1.0"
