"""The question of LIMA §5: how helpful a reply is, from 1 to 6, reasons before the number. Knows nothing of who is asked."""

from lima_studies.questions import Answer, Question
from lima_studies.scores.scores import Scale

_TEXTS = (
    "Of no use: it is about something else, it cannot be read, or what it says is wrong.",
    "Of little use: it touches on the request, but most of what was asked for is missing or wrong.",
    "It helps in part: something that matters is missing, wrong or beside the point.",
    "It answers the request, but plainly has room: shallow, one-sided, wordy, or left for the reader to sort out.",
    "It answers all of the request, correctly and clearly; what could be better is small.",
    "It answers all of the request with insight, well put together and easy to use; hard to do better.",
)
LIKERT = Question(
    "likert",
    1,
    "How helpful is the reply to whoever wrote the request? Weigh first what is good and what is missing; then give a number, "
    "1 to 6.",
    tuple(Answer(str(number), text, str(number)) for number, text in enumerate(_TEXTS, 1)),
)
HELPFULNESS = Scale("helpfulness, 1 to 6", 1.0, 6.0, tuple((float(n), str(n)) for n in range(1, 7)))
SAMPLES = 5
"Replies to a prompt (LIMA §5)"
