"""NTU RGB+D: names and splits, the authors' raw files, the choice of bodies."""
