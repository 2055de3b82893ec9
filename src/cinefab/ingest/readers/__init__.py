"""Readers: what ingest takes, one file a family; found through `cinefab.readers`, never imported.

A reader names formats and the function that decodes them in the sandbox (`ingest/reader.py`).
"""
