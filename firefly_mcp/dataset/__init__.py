"""The data set as people take it: its splits, what may not be shared between them, its sample and its card."""
