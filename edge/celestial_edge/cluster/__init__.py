"""Verdicts on archives of chips: partitions of a list, which Dask workers classify and write as Parquet files."""
