"""The inference form of the layers, and of a backbone made of them.

Layers are known here, backbones are not: a backbone hands its layers over in the order
in which they run, see :class:`~mmlitehrnet.models.deployed.network.DeployedNet`.
"""
