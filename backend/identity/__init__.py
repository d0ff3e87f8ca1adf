"""Who is asking: devices and their keys, sign-in, sessions and tokens."""
