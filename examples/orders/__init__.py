"""An online shop on DBOS, with the dashboard and the bridge in one Flask process: ``python -m examples.orders``."""
