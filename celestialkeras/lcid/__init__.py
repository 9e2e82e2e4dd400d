"""The Local Celestial Image Dataset (LCID): from archive files to tensors."""
