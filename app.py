"""Coalesce's web app; run it with ``streamlit run app.py``."""

from pages.frame.frame import main

if __name__ == "__main__":
    main()
