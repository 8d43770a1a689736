"""Speed of the networks: for who develops them; not part of the wheel."""
