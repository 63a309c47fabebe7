"""A batch at a time: how images go through their operations together, for a GPU.

`form` says what an operation's batched form is; `plan` decides which images go together, and makes all small tables on
the CPU.
"""
