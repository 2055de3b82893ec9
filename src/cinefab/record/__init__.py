"""The one function that commits a stage's result, and the reads that join the pillars."""
