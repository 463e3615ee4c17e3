"""What is known of the user's repositories: which are near an idea, and how healthy each is."""
