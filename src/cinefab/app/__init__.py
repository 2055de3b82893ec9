"""Wiring: settings are read, plug-ins found and the parts joined here, and nowhere else."""
