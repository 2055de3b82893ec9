"""What a running studio is asked for, by subject: who asks, how often, and what they administer."""
