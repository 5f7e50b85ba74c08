"""A file uploader that shows the size of the file."""

import streamlit as st


def run() -> None:
    file = st.file_uploader("A file")
    st.write(f"{file.size} bytes" if file else "No file yet")
