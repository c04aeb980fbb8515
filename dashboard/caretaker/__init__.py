"""What nobody clicks: dead letters, recovery of lost executors' runs, retention."""
