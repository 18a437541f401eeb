"""Store: sealed records, leases, the Store port and the list of collections. It knows no noun of ours."""
