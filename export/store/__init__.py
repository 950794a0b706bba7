"""The store: exported models in a folder or on a static web host, fetched and verified by anyone."""
