"""Opening records, following them, finding them."""
