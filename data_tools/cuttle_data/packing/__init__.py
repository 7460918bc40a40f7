"""A few files or the rows of tables, laid out like the data set of a model: layout.py knows what a
model takes, given_files.py and given_tables.py make samples, packer.py the shard."""
