"""Tests of `streams`: nothing real, only values."""
