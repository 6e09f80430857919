"""Files and folders of users: written whole, read with checks, within limits."""
