"""The commands; everything heavy loads inside of them."""
