"""What is true of a run beyond its row: who drives it, which events its changes are, what undoes it."""
