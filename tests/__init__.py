"""Tests. A package, so that folders may be named like the packages they test."""
