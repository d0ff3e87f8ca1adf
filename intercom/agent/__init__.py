"""The software of a native door station: camera, sound, lock, inputs and its line to Gatehouse."""
