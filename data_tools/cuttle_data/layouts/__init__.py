"""Layouts in which the field publishes its data: what their converters share.

A layout is a converter as any other (`converters/NAME.py`, found by its file name); what several of
them read lies here, a subject a file, and `common` has their options, their splits and the writing.
"""
