"""What counted work is held to: itself, the reference's, and what was accepted or is usual."""
