"""Classes to be registered."""

from abc import ABC, abstractmethod


class Gadget(ABC):
    """The base class."""

    name: str

    @abstractmethod
    def use(self) -> int: ...


class Hammer(Gadget):
    name = "hammer"

    def use(self) -> int:
        return 1


class Saw(Hammer):
    name = "saw"
