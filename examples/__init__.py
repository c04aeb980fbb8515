"""Programs that show the product at work. Not part of the wheel."""
