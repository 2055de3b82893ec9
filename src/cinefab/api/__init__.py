"""The HTTP doors: parse a request, call a tier, present the answer (native API and dialects)."""
