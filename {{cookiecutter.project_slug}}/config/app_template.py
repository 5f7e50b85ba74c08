"""Sample app with generated data. Replace it with your own.

The menu calls run(). `streamlit run` on this file shows this app by itself.
"""

import numpy as np
import pandas as pd
import streamlit as st

TITLE = "New app"


def run() -> None:
    """Draw the page. Streamlit calls this again on each click."""
    st.title(TITLE)
    weeks = st.slider("Weeks", min_value=4, max_value=52, value=26)

    numbers = load_numbers(weeks)
    latest, before = numbers.iloc[-1], numbers.iloc[-2]
    for column, region in zip(st.columns(len(numbers.columns)), numbers.columns, strict=True):
        change = latest[region] - before[region]
        column.metric(region, f"{latest[region]:,.0f}", f"{change:+,.0f}", border=True)

    st.line_chart(numbers)
    st.caption(f"The last {weeks} weeks of generated data.")


@st.cache_data
def load_numbers(weeks: int) -> pd.DataFrame:
    """Return one row per week, one column per region. Read your own data here."""
    random = np.random.default_rng(seed=sum(map(ord, TITLE)))
    steps = random.normal(loc=2, scale=12, size=(52, 3)).cumsum(axis=0)
    dates = pd.date_range("2026-01-05", periods=52, freq="W-MON", name="Week")
    return pd.DataFrame(200 + steps, dates, ["North", "South", "West"]).clip(lower=20).tail(weeks)


if __name__ == "__main__":
    run()
