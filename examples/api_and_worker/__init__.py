"""Serving without driving: an API process that only has the dashboard, and workers that only run workflows.

``python -m examples.api_and_worker.worker`` and ``python -m examples.api_and_worker.api``, on the same database:
``DBOS_SYSTEM_DATABASE_URL``. On Kubernetes they are two deployments: see ``examples/deploy/kubernetes.yaml``.
"""
