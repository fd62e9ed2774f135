"""The kernel's face: session, magics, card."""
