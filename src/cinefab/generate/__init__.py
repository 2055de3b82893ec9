"""A brief's prepared inputs become an exact plan, and the plan's segments become takes."""
