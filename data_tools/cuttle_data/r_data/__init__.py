"""Data sets of R packages without R: serialization.py reads R's own format, library.py finds a data set,
table.py makes a table of a data frame.

PyPI's rdata reads the format, too, but needs pandas and xarray, refuses types of R that stand beside the
data in some sets, and does not read the lazy-load files in which packages keep theirs."""
