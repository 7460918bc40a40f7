"""From one table to planned samples, for `cuttle-data frame` and `table`, in the order of the flow:

opening                      which reader
stored                       bytes in Parquet files, read a row group at a time
hub                          what a hub's README says of the columns of Parquet files
tars                         WebDataset's tars as a Frame
source, delimited, records   FILE -> Frame: columns of cells, as arrow arrays
kinds, guesses               what the cells of a column are: number, text, path of an image, ...
roles, role_guesses          what a column is for: class, target, group, ..., values
cells                        cells -> numbers, codes of names, labels
senses, media_cells          value columns -> modalities and their values
plan                         all of it -> columnar.Columns
show                         what was understood, for people
"""
