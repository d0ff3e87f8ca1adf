"""Telling people: the adapters behind the ports through which messages leave the service."""
