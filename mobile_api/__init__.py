"""Every HTTP and socket edge for people: residents, visitors and property staff."""
