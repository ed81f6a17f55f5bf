"""Models that studies compare with: recorded replies, and folders tuned on the Alpaca set."""
