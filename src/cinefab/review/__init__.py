"""A cut comes in; a verdict with the figures behind it goes out."""
