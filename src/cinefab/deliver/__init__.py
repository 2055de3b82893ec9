"""A cut that passed comes in; a signed, packaged release goes out."""
