"""A page of text and ten widgets."""

import streamlit as st


def run() -> None:
    st.title("Widgets")
    st.write("A paragraph of text, as an app has between its widgets. " * 5)
    level = st.slider("Level", 0, 10, 5)
    st.write(f"The slider at {level}")
    for number in range(3):
        st.text_input(f"Text {number}")
        st.selectbox(f"Choice {number}", ["one", "two", "three"])
        st.checkbox(f"Switch {number}")
    st.write("More text below. " * 20)
