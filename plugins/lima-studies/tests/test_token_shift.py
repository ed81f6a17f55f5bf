"""Token shift: ranks are those of the whole logits, pieces make the reply, and a stopped study continues with what is missing."""

import json
import re

import pytest
from grid_in_small import PROMPTS, rows

from lima import CheckpointModel, LimaError
from lima.testing import ARCHITECTURES, run_command, tiny_base, tiny_model, tiny_tokenizer
from lima_studies.shift import ranks
from lima_studies.shift.figures import class_of, most_shifted, shares
from lima_studies.shift.pieces import pieces
from lima_studies.shift.ranks import places


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_ranks_read_in_pieces_are_those_of_the_whole(architecture, monkeypatch):
    import torch

    monkeypatch.setattr(ranks, "PIECE", 5)
    model = tiny_model(architecture, 400).eval()
    ids = torch.randint(1, 400, (77,), generator=torch.Generator().manual_seed(2)).tolist()
    with torch.inference_mode():
        logits = model(torch.tensor([ids])).logits[0].float()
    for split in (1, 3, 60):
        found = places(model, ids[:split], ids[split:])
        assert len(found) == len(ids) - split
        for at, place in zip(range(split, len(ids)), found, strict=True):
            row = logits[at - 1]
            own = row[ids[at]]
            # Rounding may exchange neighbours: the rank lies between those of a little less and a little more.
            assert int((row > own + 1e-4).sum()) <= place.rank - 1 <= int((row > own - 1e-4).sum())
            assert place.nats == pytest.approx(float(row.log_softmax(-1)[ids[at]]), abs=1e-3)
            assert float(row[place.first]) == pytest.approx(float(row.max()), abs=1e-4)


def test_pieces_make_the_reply_whatever_its_characters():
    tokenizer = tiny_tokenizer()
    for text in ("The quick  fox.\n\n- a\n", "Äpfel 🙂🙂 kosten 3 €, né?", "日本語のテキスト", " x", "a\u202eb"):
        ids = tokenizer.encode(text, add_special_tokens=False)
        found = pieces(tokenizer, ids)
        assert len(found) == len(ids)
        assert "".join(found) == tokenizer.decode(ids)
        assert not any("\ufffd" in piece for piece in found)
    assert pieces(tokenizer, []) == []


def token(prompt, position, rank, token=5, first="x"):
    return {"prompt": prompt, "position": position, "rank": rank, "token": token, "text": "y", "first": first}


def test_shares_are_means_over_prompts_and_by_position():
    assert [class_of(rank) for rank in (1, 2, 3, 4, 900)] == ["unshifted", "marginal", "marginal", "shifted", "shifted"]
    long = [token("a", position, 1) for position in range(1, 9)]
    short = [token("b", 1, 9, token=7, first="z"), token("b", 2, 2)]
    found = {one.name: one for one in shares([*long, *short])}
    assert found["all positions"].shares == (0.5, 0.25, 0.25)  # of one prompt all, of the other none, half and half
    assert (found["all positions"].prompts, found["all positions"].tokens) == (2, 10)
    assert found["1"].shares == (0.5, 0.0, 0.5)
    assert (found["5 to 8"].prompts, found["5 to 8"].shares) == (1, (1.0, 0.0, 0.0))
    assert set(found) == {"all positions", "1", "2", "3 to 4", "5 to 8"}
    (word,) = most_shifted([*long, *short])
    assert (word.shifted, word.count, word.instead) == (1, 1, "z")


@pytest.fixture
def folders(tmp_path):
    """A base, and another model with its tokenizer in the place of a fine-tune"""
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = "{% for m in messages %}{{ m.content ~ eos_token }}{% endfor %}"
    return [tiny_base(tmp_path / name, tokenizer=tokenizer, seed=seed) for name, seed in (("base", 0), ("tuned", 1))]


def test_a_study_that_was_stopped_continues_and_the_page_shows_each_token(plugins, folders, tmp_path, monkeypatch):
    from lima_studies.shift import work

    base, tuned = folders
    prompts = rows(tmp_path / "p.jsonl", *({"id": f"p{n}", "prompt": f"Why <i>{n}</i>?"} for n in range(PROMPTS)))
    command = ["study", "token-shift", f"tuned={tuned}", "--base", f"base={base}", "--prompts", prompts]
    command += ["-d", tmp_path / "l.db", "--max-new-tokens", "9"]
    assert run_command(*command, "--dry-run", "--json").json[0]["calls"] == PROMPTS

    monkeypatch.setattr(work, "AT_ONCE", 2)
    real, calls = work.places, []

    def stops(model, prompt, reply):
        calls.append(tuple(reply))
        if len(calls) == 4:
            raise LimaError("stopped for the test")
        return real(model, prompt, reply)

    monkeypatch.setattr(work, "places", stops)
    assert "stopped for the test" in run_command(*command, code=1).err
    told = run_command(*command, "--json").json
    assert len(calls) == PROMPTS + 1
    asked = CheckpointModel(tuned)
    found = {number["name"]: number for number in told["numbers"]}
    assert found["shifted, all positions"]["n"] == PROMPTS
    shown = told["sections"][-1]["passages"]
    assert len(shown) == PROMPTS
    text = "".join(piece for _, piece, _ in shown[0]["pieces"])
    assert text == asked.tokenizer.decode(calls[0])
    page = (tmp_path / f"{told['study']}.html").read_text(encoding="utf-8")
    assert "Why &lt;i&gt;0&lt;/i&gt;?" in page
    spans = re.findall(r'<span class="(?:unshifted|marginal|shifted)" title="token (\d+), rank', page)
    assert len(spans) == sum(len(reply) for reply in calls[:3] + calls[4:])
    again = run_command(*command, "--json").json
    assert again["more"] == told["more"]
    assert len(calls) == PROMPTS + 1


def test_empty_replies_and_replies_without_a_shift_are_said(store):
    from lima_studies import Study, StudyPrompt, System
    from lima_studies.known import kind_of

    prompts, systems = [StudyPrompt(p, f"Why {p}?") for p in "ab"], [System(name, name) for name in ("t", "b")]
    settings = {"sampling": {}, "samples": 1, "seed": 0, "reads": "all"}
    study = Study.begin(store, "token-shift", settings, prompts, systems)
    with store.write() as db:
        for prompt in "ab":
            row = {
                "system": "t",
                "prompt": prompt,
                "sample": 0,
                "reply": "",
                "stop": "eot",
                "seconds": 0.1,
                "error": "",
            }
            study.keep_reply(db, {**row, "identity": "i", "version": "v", "date": "2026-01-01"})
    document = kind_of(study).document(study)
    assert [section.lead for section in document.sections] == ["All replies are empty: no token to rank."]
    with store.write() as db:
        place = {"position": 1, "token": 5, "text": "So", "rank": 1, "nats": -0.1, "first": "So"}
        db.table("study_tokens").insert({"study": study.id, "prompt": "a", **place})
    document = kind_of(study).document(study)
    assert document.lead.startswith("2 replies with 1 token, each ranked")
    assert document.lead.endswith("Empty, and in no figure: 1.")
    assert document.sections[1].lead == "No token was shifted."


def test_what_cannot_be_compared_is_refused_with_advice_that_works(plugins, folders, tmp_path):
    base, tuned = folders
    prompts = rows(tmp_path / "p.jsonl", {"id": "p", "prompt": "Why?"})
    recorded = rows(tmp_path / "r.jsonl", {"prompt": "Why?", "reply": "So."})
    command = ["study", "token-shift", tuned, "--prompts", prompts, "-d", tmp_path / "l.db", "--max-new-tokens", "5"]
    said = run_command(*command, "--base", f"replies:{recorded}", code=1).err
    assert "does not show its probabilities" in said
    other = tiny_base(tmp_path / "other", tokenizer=tiny_tokenizer(special=("<|endoftext|>", "<|x|>")))
    said = run_command(*command, "--base", other, code=1).err
    assert "which" in said
    assert "does not have. Name the base that it was fine-tuned from" in said
    told = run_command(*command, "--base", f"in-context:{base}?k=0", "--name", "own", "--json").json
    assert told["made"]["the base reads"] == "requests as it writes them itself"
    assert json.dumps(told["more"])
