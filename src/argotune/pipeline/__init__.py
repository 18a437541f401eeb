"""Pipeline: the only code that reads ports and applies rules. stages/ has one verb a file."""
