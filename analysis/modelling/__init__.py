"""The model classes that travel beside a compressed checkpoint's weights."""
