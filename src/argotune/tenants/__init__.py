"""Tenants: who a tenant is and what it configured."""
