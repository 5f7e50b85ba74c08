"""A data-heavy app: a million rows for all sessions, and a tenth of them in each session."""

import numpy as np
import pandas as pd
import streamlit as st

ROWS = 1_000_000


@st.cache_data
def sales() -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(1).random((ROWS, 10)))


def run() -> None:
    level = st.slider("Level", 0, 10, 5)
    if "mine" not in st.session_state:
        st.session_state.mine = sales().sample(ROWS // 10)
    st.dataframe(st.session_state.mine.head(100))
    st.write(f"The slider at {level}")
