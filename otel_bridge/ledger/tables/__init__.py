"""The ledger's tables, one module each: its statements, and the methods over them. ``Ledger`` puts them together."""
