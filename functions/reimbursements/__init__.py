"""The insurer's extracts and the histories made from them."""
