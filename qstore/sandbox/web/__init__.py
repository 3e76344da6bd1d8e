"""What all stand-ins are made of: a server that ends promptly, and answers that are none."""
