"""The two commands: evaluate optimizers, and train one."""
