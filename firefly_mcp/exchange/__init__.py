"""What comes into a recording from elsewhere and goes out of it: cassettes, call lines, and other recorders' files."""
