"""Door stations and calls: pairing, signalling, the station protocol and the station agent."""
