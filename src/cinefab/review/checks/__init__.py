"""Plug-ins that test one quality of a take or a cut each."""
