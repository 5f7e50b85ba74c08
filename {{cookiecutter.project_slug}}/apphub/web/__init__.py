"""The web pages: the launcher with its menu, the home page, and pages for problems."""
