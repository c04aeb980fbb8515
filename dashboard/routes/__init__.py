"""Where a route goes: one module for each resource."""
