"""A picture file's bytes go in; its outline and only what determines its pixels come out.

Nothing here decodes: each format's chunks are walked and checked in Python, where a false length
is an exception and no overflow, before any decoder written in C sees a byte.
"""
