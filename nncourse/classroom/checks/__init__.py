"""One module for each lab: its tasks, and the properties that an answer to each must have."""
