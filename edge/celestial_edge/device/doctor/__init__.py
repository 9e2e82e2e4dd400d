"""What is installed, what this machine has, and which verbs will work here.

`installation` looks at the packages, `resources` at the machine, `runtime_check` runs the shipped artifact in a process
of its own, `readiness` says what follows for each verb, and `examination` puts it together. A probe that fails is told
as unknown, with its reason.
"""
