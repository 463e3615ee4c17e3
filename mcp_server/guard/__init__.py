"""What stands between every caller and the world: policy, tickets, budget, gate, redaction."""
