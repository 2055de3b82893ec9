"""Plug-ins that speak: a line of text comes in, its sound and the times of its words go out."""
