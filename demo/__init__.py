"""The bundled demo models: two small speech recognisers, and the scripts that make them."""
