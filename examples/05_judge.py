"""A model on this machine as judge: replies that were recorded elsewhere are graded, and its verdicts are read again without it.

The server here stands in for one with a real model (vLLM, llama.cpp, Ollama …): it speaks the same protocol, and thinks little.
Run: python examples/05_judge.py
"""

import json
import re
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from lima import Sampling, Store
from lima_dialogue_eval import replies, run_evaluation


class Judge(BaseHTTPRequestHandler):
    """Excellent is a reply that gives a number of minutes"""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))["messages"][0]["content"]
        code = re.findall(r"^([A-Z]{6}) OVERALL: ", asked, re.M)[
            -1
        ]  # only the judge knows it: a reply cannot pose as a verdict
        reply = asked.partition("THE REPLY TO GRADE")[2].partition("HOW TO ANSWER")[0]
        grade = "excellent" if re.search(r"\b(seven|eight|\d+)\b", reply) else "fail"
        said = f"Does it say how long? That makes it {grade}.\n{code} OVERALL: {grade}"
        body = json.dumps(
            {"choices": [{"message": {"role": "assistant", "content": said}, "finish_reason": "stop"}]}
        ).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """Say nothing"""


folder = Path(tempfile.mkdtemp(prefix="lima-example-"))


def write(name, *rows):
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder / name)


questions = write(
    "questions.jsonl", {"question_id": 1, "category": "cooking", "turns": ["How do I boil an egg?", "And a large one?"]}
)
recorded = write(
    "replies.jsonl",
    {"conversation": "1", "turn": 1, "reply": "Put it into boiling water for seven minutes."},
    {"conversation": "1", "turn": 2, "reply": "A little longer."},
)
server = ThreadingHTTPServer(("127.0.0.1", 0), Judge)
threading.Thread(target=server.serve_forever, daemon=True).start()
judge = f"judge:openai:http://127.0.0.1:{server.server_port}/v1#stand-in"
asked = {"seeds": [0], "sampling": Sampling()}
with Store(folder / "lima.db") as store:
    run = run_evaluation(store, questions, f"recorded:{recorded}", arm="recorded", grader=judge, **asked)
    for row in replies(store, run, judge):
        print(f"{row['grade']:9} {row['user']}  {row['reply']}")
    server.shutdown()

    votes = store.rows("select conversation, turn, vote as seed, code, answer as reply from judge_votes")
    again = f"judge:recorded:{write('votes.jsonl', *votes)}"
    second = run_evaluation(store, questions, f"recorded:{recorded}", arm="again", grader=again, **asked)
    grades = [[row["grade"] for row in replies(store, *one)] for one in ((run, judge), (second, again))]
print(f"the same verdicts without the server: {grades[0] == grades[1]}")
