"""Published initialization bugs, each with the fixed network, and healthy networks that look faulty."""
