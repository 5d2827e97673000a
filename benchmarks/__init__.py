"""Repeatable ratios against a stated floor: `make bench` prints the table and writes the JSON."""
