"""Suites that any plug-in, ours or a stranger's, can run against itself."""
