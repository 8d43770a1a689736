"""The ideas of the papers, one file each; no file here knows a backbone."""
