"""Plug-ins that change pictures after generation: grades, captions, scaling."""
