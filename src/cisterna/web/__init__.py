"""The dashboard, the API and the landing pages."""
