"""What every page draws alike: numbers as words, charts, choices, exports.

What comes in: results, and the theme of the page.
What goes out: Streamlit elements; nothing here knows of sessions or models.
Open `basics` first.
"""
