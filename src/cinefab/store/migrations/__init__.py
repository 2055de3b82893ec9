"""Migrations: how a database of any earlier release becomes one of this release.

Each step lives in `versions` and is never edited once it has landed.
"""
