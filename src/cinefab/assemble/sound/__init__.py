"""A plan's timeline comes in; what is heard goes out: music, effects and voice at one loudness."""
