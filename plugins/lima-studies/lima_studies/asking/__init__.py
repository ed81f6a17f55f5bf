"""Systems are asked for replies, and judges for labels."""
