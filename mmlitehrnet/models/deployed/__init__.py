"""The inference form: how channels are counted, layers folded, maps laid out.

Each layer says in its method ``deploy`` how it is deployed; this is what it says it in.
Read :mod:`.orders` first, then :mod:`.form`. Layers are known here, backbones are not.
"""

from .form import Form
from .orders import ChannelOrder

__all__ = ["ChannelOrder", "Form"]
