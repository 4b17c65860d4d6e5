"""The record of every change, beside the vector stores."""
