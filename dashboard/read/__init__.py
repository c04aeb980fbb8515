"""What is shown: store, ledger and presence as wire models. No Flask."""
