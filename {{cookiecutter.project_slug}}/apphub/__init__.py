"""The template's code: an update replaces this folder as a whole. Your own code goes elsewhere."""

VERSION = "2026.11.3"  # of the template that wrote this folder
