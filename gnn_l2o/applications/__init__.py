"""Tasks that users solve with an optimizer, beside comparing optimizers."""
