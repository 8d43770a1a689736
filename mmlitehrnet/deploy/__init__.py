"""The inference form of trained networks, and their export."""

from ..models.deployed.network import DeployedNet
from .model import deploy_model, switch_to_deploy

__all__ = ["DeployedNet", "deploy_model", "switch_to_deploy"]
