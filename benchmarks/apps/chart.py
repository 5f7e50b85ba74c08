"""Text, ten widgets and a chart."""

import pandas as pd
import streamlit as st
from apps import widgets


def run() -> None:
    widgets.run()
    weeks = pd.DataFrame({"sales": [(n * 37) % 101 for n in range(52)]})
    st.line_chart(weeks)
