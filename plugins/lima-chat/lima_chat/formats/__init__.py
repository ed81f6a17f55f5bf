"""The file formats that lima-chat reads, each a source.

From the ground up: `values` (what a row must have), `learning` (what is learnt of it), `messages` and `tools` (lists of turns),
`reading` (from turns to a record), `scripts` (from turns to what an evaluation asks), `recognise` (which format a row has),
`file_source` (row by row), then the formats themselves. Files and their lines are the core's.
"""
