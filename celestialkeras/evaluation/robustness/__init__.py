"""How models stand exposures that get worse: swept kind by kind and level by level, several models at a time.

`subset` chooses frames, `sweep` runs the models over them and `points` keeps what they said; `curves` has the figures
that follow, `report` and `figure` show them.
"""
