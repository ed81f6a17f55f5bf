"""`lima chat`: a person talks with a model, or with two at once.

`talk` holds the conversation, `terminal` shows it, `file` and `log` keep it where that is asked for.
"""
