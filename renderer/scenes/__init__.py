"""The scenes.  To add one: a module with a `Scene` subclass, words in `subjects`, a line here."""

from .base import Scene
from .blocks import Sand, Soap
from .fruit import Fruit
from .honey import Honey
from .ice import Ice
from .keyboard import Keyboard
from .planet import Planet
from .rain import Rain
from .slime import Slime

SCENES: dict[str, Scene] = {
    scene.name: scene
    for scene in (Soap(), Slime(), Honey(), Sand(), Ice(), Keyboard(), Planet(), Fruit(), Rain())
}

__all__ = ["SCENES", "Scene"]
