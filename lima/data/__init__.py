"""Files and sources → verified, counted examples as token ids."""
