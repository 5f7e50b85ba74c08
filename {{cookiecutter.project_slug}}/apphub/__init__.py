"""The template's code: an update replaces this folder as a whole. Your own code goes elsewhere."""

VERSION = "2026.11.2"  # of the template that wrote this folder
