"""The end of Heroku's build: checks, compresses and compiles. bin/post_compile runs it."""
