"""The durable tier: one brief becomes one film through the five layers, whatever dies on the way."""
