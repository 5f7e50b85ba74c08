"""The server: a supervisor, workers that run Streamlit, and what nginx is told."""
