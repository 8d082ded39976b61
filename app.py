"""Coalesce's web app; run it with ``streamlit run app.py``."""

import streamlit as st
from starlette.middleware import Middleware

from pages.frame.base_address import PAGES, BaseAddress

if __name__ == "__main__":  # a visitor's script run
    from pages.frame.frame import main

    main()
else:  # the server, which reads this file once
    app = st.App(__file__, middleware=[Middleware(BaseAddress, pages=PAGES)])
