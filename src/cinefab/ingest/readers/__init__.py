"""Plug-ins that decode one family of upload formats each."""
