"""Ratings as other people and their tools write them."""
