"""An app that computes: it adds up a million numbers on each click."""

import streamlit as st


def run() -> None:
    level = st.slider("Level", 0, 10, 5)
    total = sum(number * number % 7 for number in range(1_000_000))
    st.write(f"The slider at {level}: {total}")
