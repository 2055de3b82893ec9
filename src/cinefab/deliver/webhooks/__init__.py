"""Events in, signed messages out: what became true is told to those who asked to be told.

`endpoints` are who asked, `deliveries` what is owed to them, `sender` what pays it.
"""
