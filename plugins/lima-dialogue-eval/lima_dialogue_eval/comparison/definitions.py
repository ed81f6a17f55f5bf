"""What each number of a comparison means, in a sentence: printed in the report, the JSON and the README."""

DEFINITIONS = {
    "turn": "One reply of the model in one conversation with one seed. The user's turns are scripted; the history holds the "
    "model's own replies.",
    "excellent": "Replies that the grader labelled Excellent, of all turns of the conversations that have no error.",
    "pass": "Replies labelled Pass: what must be met is met, something else is not.",
    "fail": "Replies labelled Fail: something that must be met is not. A turn that was not reached, because the replies "
    "before it filled the model's context, is a Fail too.",
    "undecided": "Replies that have no grade yet: what a program can check holds, and a reader must decide.",
    "interval": "95 % Wilson interval of a share of turns, with the turns treated as independent. They are not: it describes and "
    "decides nothing.",
    "early_fails": "Conversations, counted once a seed, with at least one Fail among the first three replies.",
    "conversations": "For each conversation the mean over turns and seeds of its outcome; better, tied or worse after than "
    "before. The outcome is the grade (Fail 0, Pass 1, Excellent 2), over the turns that are decided on both sides, seed by "
    "seed. Where the grader can only fail a reply, it is failed (0) or not failed (1), over all turns. With more seeds on "
    "one side, as many of it count as the other has.",
    "sign_test_p_value": "Two-sided exact sign test on better against worse conversations; ties are left out of it.",
    "difference": "Mean over conversations of the outcome after minus before (grade points from −2 to 2, or the share of replies "
    "not failed), with the paired t interval (n − 1 degrees of freedom).",
    "p_value": "Primary test, fixed before the run: two-sided sign-flip test of the difference being 0, conversations as the "
    "unit. Exact up to 20 conversations, above that 99,999 flips drawn with a fixed seed (9,999 above a thousand). The "
    "grader's kind decides whether it is on grades or on failed / not failed; where the kind is not known, it is the latter "
    "if no reply of either arm is Pass or Excellent and some are undecided.",
    "least_p_value": "The smallest p that this number of conversations can give, .0625 for five and .031 for six: above .05 no "
    "result can be significant.",
    "secondary": "The same sign-flip test on each conversation's share of Excellent and of Fail; p adjusted by Holm over the "
    "two. None where the grader can only fail.",
    "bounds": "Mean over conversations of the mean grade and of the share of Fail with all undecided replies failing, and with "
    "all Excellent; of the difference from the one extreme of either side to the other.",
    "without_unreached": "The same figures over the turns that were reached on both sides, seed by seed.",
    "reliability": "With two seeds or more, by arm: aptitude, the mean over conversations of the 90th percentile of the seeds' "
    "mean outcome; unreliability, the same of the 90th less the 10th; and pass^k, the conversations all of whose k seeds "
    "are at least Pass in every turn (not failed, where the grader can only fail).",
    "by_turn": "Replies by their place in the conversation (1 is the opening); descriptive.",
    "by_kind": "Replies by what the user's turn tries; descriptive.",
    "counts": "Of all conversations, also those with an error: replies; undecided ones; those cut, which the model did not end; "
    "conversations that filled the context, and their turns not reached; errors of the infrastructure and of the "
    "grader.",
    "left_out": "Conversations with an error of the infrastructure or the grader on one side leave both sides; those without a "
    "turn that is decided on both sides leave the tests.",
    "waiting": "Turns that count on neither side, because a reply to them is undecided on one; only where the test is on grades.",
    "audit": "What replies with known grades say of the grader, and what empty replies, echoes and other null models score.",
}
"Each number of a comparison, in a sentence or two"
