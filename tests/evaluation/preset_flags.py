"""What presets may set."""

from gnn_l2o.cli.evaluate_flags import build_parser, preset_flags

FLAGS = preset_flags(build_parser())
