"""Other systems that figures are compared with."""
