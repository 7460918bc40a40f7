"""The units of the game Battle for Wesnoth as a table: wml.py reads its files, units.py what a unit is
made of, animations.py which pictures move it."""
