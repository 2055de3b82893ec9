"""The third pillar: the ledger, leases, prices and the metrics that follow from them."""
