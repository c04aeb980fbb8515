"""How people and programs sign in: one small module for each ready hook. A test runs each of them."""
