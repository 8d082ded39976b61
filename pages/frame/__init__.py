"""What stands around every page: navigation, sidebar, tour.

What comes in: a page to draw.
What goes out: the page inside the app, with the session's model at hand.
Open `frame` first.
"""
