"""The chapters of the page, one module each."""
