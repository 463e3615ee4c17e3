"""What to do today: pure decisions from ideas, matches, health and the allowance to a plan."""
