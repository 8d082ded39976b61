"""The web app: one file per page, which lays out, calls `analysis` and draws.

What comes in: a visitor's clicks, and results of `analysis`.
What goes out: Streamlit elements; no page holds mathematics, and none imports another.
Each package imports only from those before it: widgets, session, listening, planning, exploring,
variants, runs, frame; the pages come last.
Open `frame` first, then the page.
"""
