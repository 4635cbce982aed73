"""One vendor per module; vendor errors become ours here."""
