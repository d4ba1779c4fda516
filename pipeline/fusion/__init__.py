"""The head that joins both branches with age, gender and view."""
