"""The server: a supervisor, workers that run Streamlit, and the values that nginx reads."""
