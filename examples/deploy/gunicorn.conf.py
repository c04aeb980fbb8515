"""gunicorn -c examples/deploy/gunicorn.conf.py 'examples.deploy.app:create_app()'"""

bind = "127.0.0.1:8000"
workers = 2
worker_class = "gthread"
threads = 1000  # one for each open page, and some for requests
worker_connections = 2000  # more than threads
timeout = 60
graceful_timeout = 5  # streams reconnect elsewhere
keepalive = 75
