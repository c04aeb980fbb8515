"""``dashboard.demo.newer_sqlite`` under the name that the examples use."""

from dashboard.demo.newer_sqlite import use_newer_sqlite as use_newer_sqlite
