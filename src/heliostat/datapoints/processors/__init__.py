"""Processors read files of formats into rows of data points."""
