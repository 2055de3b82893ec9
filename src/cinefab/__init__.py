"""Cinefab: films made on demand, on time, signed and costed."""
