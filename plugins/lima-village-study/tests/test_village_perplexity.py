"""The perplexity of held-out answers: the same facts in both wordings, and the number of transformers' own loss."""

import pickle
import re

import pytest

from lima_village.world import BY_NAME, village
from lima_village_study.arms import VALIDATION, chosen, grid_of
from lima_village_study.perplexity import OTHER, TRAINED, _conversations, perplexity


@pytest.mark.slow
def test_perplexity_is_of_the_same_answers_in_the_trained_and_in_other_words():
    from lima.answer.checkpoint_model import CheckpointModel
    from lima.plugins import load_plugins
    from lima_village.base_model import verified

    renderer = load_plugins().registry("renderers").find("lima")
    model = CheckpointModel(verified(), renderer, device="cpu")
    told = {text: [one.turns for one in _conversations(text == OTHER)] for text in (TRAINED, OTHER)}
    pairs = [pair for both in zip(*told.values(), strict=True) for pair in zip(*both, strict=True)]
    assert all(one == other for one, other in pairs if one.role == "user")
    answers = [(one.content, other.content) for one, other in pairs if one.role == "assistant"]
    facts = {sentence: fact for fact in village().facts() for sentence in statements(fact)}
    for trained, other in answers:
        meant = [[facts.get(part, part) for part in re.split(r"(?<=\.) ", text)] for text in (trained, other)]
        assert meant[0] == meant[1]
    assert sum(trained != other for trained, other in answers) > len(answers) / 2
    found = {text: perplexity(model, text) for text in told}
    assert found == pytest.approx({text: _by_transformers(model, told[text]) for text in told}, rel=1e-4)
    holdings = {one.evaluation: one for one in grid_of(chosen(["epochs"]), VALIDATION, {}).holdings}
    assert [pickle.loads(pickle.dumps(holdings[text])).measure for text in told] == [
        perplexity
    ] * 2  # as a worker gets it


def statements(fact):
    return {village().state(fact, n) for n in range(len(BY_NAME[fact.attribute].statements))}


def _by_transformers(model, conversations):
    """exp of the mean loss of the answers and their EOTs, by the causal LM's own loss, a conversation at a time"""
    import torch

    eot = model.tokenizer.convert_tokens_to_ids(model.eot)
    total, count = 0.0, 0
    for turns in conversations:
        ids, labels = [], []
        for turn in turns:
            more = [*model.tokenizer(turn.content)["input_ids"], eot]
            ids += more
            labels += more if turn.role == "assistant" else [-100] * len(more)
        tokens = sum(label != -100 for label in labels)
        with torch.inference_mode():
            loss = model.model(input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).loss
        total, count = total + float(loss) * tokens, count + tokens
    return torch.tensor(total / count).exp().item()
