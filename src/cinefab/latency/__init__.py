"""The first pillar: budgets, deadlines and the time each stage took."""
