"""What a person reads on the terminal while a run goes on and when it has ended."""
