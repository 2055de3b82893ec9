"""The fourth pillar: tenants, principals, roles, keys and quotas."""
