"""What the peers say of fixed gradients; each module runs in the peers' interpreter."""
