"""What people type: the command line, and the one place that wires the parts together.

May import everything; nothing imports it. One module a command (`commands_*.py` hold what is typed, the modules beside
them what is done). Answers go to stdout, logs and progress to stderr; a person's mistake is one sentence and a remedy.
"""
