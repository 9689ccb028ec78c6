"""The count of what was sent over a network."""

from dataclasses import dataclass


@dataclass
class Traffic:
    """What was sent over a network.

    Attributes:
        rounds: exchanges between all neighbours.
        vectors: vectors sent along every edge in each direction; where edges differ, the mean over them, rounded up.
        numbers: single numbers sent along every edge in each direction, beside vectors or by themselves.
        minima: minima over the graph, whose exchanges are among the rounds and numbers.
        setup_rounds: exchanges before the first iteration by which nodes learn facts about neighbours and graph.
        setup_numbers: numbers sent in these.
        failed: messages, each over one edge in one direction, that were sent but not received.
    """

    rounds: int = 0
    vectors: int = 0
    numbers: int = 0
    minima: int = 0
    setup_rounds: int = 0
    setup_numbers: int = 0
    failed: int = 0
