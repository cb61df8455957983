"""The phantom: rendered chest radiographs whose findings are known to the pixel."""

from plainfilm.datasets.phantom.content import Content, Shortcut
from plainfilm.datasets.phantom.devices import DEVICES
from plainfilm.datasets.phantom.phantom import Phantom

__all__ = ["DEVICES", "Content", "Phantom", "Shortcut"]
