"""A brief and its references come in; parsed values and prepared inputs go out."""
