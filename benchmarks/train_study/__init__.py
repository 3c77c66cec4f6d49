"""Does training through the recording teach anything? Three arms from one warm-started checkpoint, two counter-checks."""
