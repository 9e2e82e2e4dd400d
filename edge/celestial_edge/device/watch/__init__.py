"""The watch: every chip of every file that arrives in a folder is decided exactly once, whatever happens.

`arrivals` finds files and knows when they are whole, `notices` wakes it; `decider` takes a file to its decisions;
`journal` holds every one of them, `results` and `refused` are written from it; `attempts` counts the chips that end the
process, `lock` keeps a second watch away; `health` and `systemd` tell others how it goes; `service` is the loop over
them all, and `status` reads a results folder from outside.
"""
