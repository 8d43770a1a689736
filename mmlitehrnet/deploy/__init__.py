"""The inference form of trained networks, and their export."""

from .model import deploy_model
from .network import DeployedNet, switch_to_deploy

__all__ = ["DeployedNet", "deploy_model", "switch_to_deploy"]
