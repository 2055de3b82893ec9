"""The second pillar: assets, lineage, rights, signatures and content credentials."""
