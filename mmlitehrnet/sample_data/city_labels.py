"""The labels of Cityscapes: numbers in ``labelIds`` and in ``labelTrainIds``."""

import numpy as np

VOID = 255

# Name: (id, train id). Void labels take no part in training and evaluation.
LABELS = {
    "unlabeled": (0, VOID),
    "ego vehicle": (1, VOID),
    "rectification border": (2, VOID),
    "out of roi": (3, VOID),
    "static": (4, VOID),
    "dynamic": (5, VOID),
    "ground": (6, VOID),
    "road": (7, 0),
    "sidewalk": (8, 1),
    "parking": (9, VOID),
    "rail track": (10, VOID),
    "building": (11, 2),
    "wall": (12, 3),
    "fence": (13, 4),
    "guard rail": (14, VOID),
    "bridge": (15, VOID),
    "tunnel": (16, VOID),
    "pole": (17, 5),
    "polegroup": (18, VOID),
    "traffic light": (19, 6),
    "traffic sign": (20, 7),
    "vegetation": (21, 8),
    "terrain": (22, 9),
    "sky": (23, 10),
    "person": (24, 11),
    "rider": (25, 12),
    "car": (26, 13),
    "truck": (27, 14),
    "bus": (28, 15),
    "caravan": (29, VOID),
    "trailer": (30, VOID),
    "train": (31, 16),
    "motorcycle": (32, 17),
    "bicycle": (33, 18),
}
ID = {name: number for name, (number, _) in LABELS.items()}
# Index with an array of ids to get train ids.
TRAIN_ID = np.full(256, VOID, np.uint8)
for _number, _train in LABELS.values():
    TRAIN_ID[_number] = _train
