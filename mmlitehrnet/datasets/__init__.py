"""MMPose's and MMSegmentation's datasets with errors that name file and field.

``pose`` and ``seg`` are imported with the datasets of their package.
"""
