"""The hub: `streamlit run app.py`. Your apps are in apps/, and the menu is apps.json."""

from apphub.web.launcher import main

main()
