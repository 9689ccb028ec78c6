"""The protocol of every optimizer, the tuning of methods with parameters, and the registry of names."""
