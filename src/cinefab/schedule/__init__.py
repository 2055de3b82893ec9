"""Admission, policy and routing: what may run, where, and in which order."""
