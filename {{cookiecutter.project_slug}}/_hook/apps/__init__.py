"""The apps, one module each. apps.json says which of them are in the menu."""
