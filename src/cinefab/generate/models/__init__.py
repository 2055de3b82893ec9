"""Plug-ins that generate: one file or folder a model."""
