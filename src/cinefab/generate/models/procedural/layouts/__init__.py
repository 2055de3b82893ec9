"""Compositions, one file each: a kit goes in, a scene comes out."""
