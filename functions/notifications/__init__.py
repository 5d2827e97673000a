"""Tells holders what happened in their record, by e-mail or SMS."""
