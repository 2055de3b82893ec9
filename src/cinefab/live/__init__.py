"""The interactive tier: sessions whose every turn keeps a latency budget."""
