"""What Streamlit runs again on each click: the menu and the app that is open, in launcher.py."""

from launcher import main

main()
