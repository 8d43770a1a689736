"""Hooks of MMEngine's runner, most of them used by the configs by default."""

from .channels_last import ChannelsLastHook
from .checkpoint import SafeCheckpointHook
from .finite_loss import FiniteLossHook
from .processes import ProcessesHook
from .rehearsal import RehearsalHook
from .seg_bad_cases import SegBadCaseAnalysisHook

__all__ = [
    "ChannelsLastHook",
    "FiniteLossHook",
    "ProcessesHook",
    "RehearsalHook",
    "SafeCheckpointHook",
    "SegBadCaseAnalysisHook",
]
