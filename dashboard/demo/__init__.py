"""An online shop on DBOS, with the dashboard and the bridge in one Flask process: ``durable demo``.

``workflows`` is what the shop does, ``app`` its Flask app, ``trickle`` plays its customers, ``poison`` makes a dead
letter, ``shop`` runs them all. In the wheel, so that it can be tried without a clone.
"""
