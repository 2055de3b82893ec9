"""What the backends of models that others run have in common: cards, prices, jobs, refusals."""
