"""The file formats that lima-chat reads, each a source.

From the ground up: `values` (what a row must have), `learning` (what is learnt of it), `messages` and `tools` (lists of turns),
`reading` (from turns to a record), `recognise` (which format a row has), then the formats themselves. Files and their lines are
the core's.
"""
