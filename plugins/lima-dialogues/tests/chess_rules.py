"""Imported by tests: as much of chess as it takes to play a line of moves and to see mate.

A position is a dict of squares ("e4") to pieces ("P" white, "p" black). Knows nothing of castling, en passant and promotion, and
refuses a line that needs them.
"""

import re
from dataclasses import dataclass

FILES, RANKS = "abcdefgh", "12345678"
LINES = {"b": [(1, 1), (1, -1), (-1, 1), (-1, -1)], "r": [(1, 0), (-1, 0), (0, 1), (0, -1)]}
LINES["q"] = LINES["k"] = LINES["b"] + LINES["r"]
JUMPS = [(a * i, b * j) for i, j in ((1, 2), (2, 1)) for a in (1, -1) for b in (1, -1)]
START = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w"
_SAN = re.compile(r"([KQRBN]?)([a-h]?)([1-8]?)(x?)([a-h][1-8])([+#]?)[!?]*")


@dataclass(frozen=True)
class Position:
    """Where the pieces are and whose turn it is"""

    board: dict
    white: bool

    @classmethod
    def of(cls, fen):
        """From the first two fields of a FEN"""
        rows, side = fen.split()[:2]
        board = {}
        for rank, row in zip(reversed(RANKS), rows.split("/"), strict=True):
            cells = re.sub(r"\d", lambda n: "." * int(n.group()), row)
            assert len(cells) == 8, f"the row {row} of {fen} has not eight squares"
            board |= {f"{file}{rank}": piece for file, piece in zip(FILES, cells, strict=True) if piece != "."}
        return cls(board, side == "w")

    @property
    def fen(self):
        """Pieces and side, as in a FEN"""
        rows = ["".join(self.board.get(f"{file}{rank}", ".") for file in FILES) for rank in reversed(RANKS)]
        return "/".join(re.sub(r"\.+", lambda dots: str(len(dots.group())), row) for row in rows) + (
            " w" if self.white else " b"
        )

    def attacks(self, square):
        """The squares that the piece on a square attacks, own pieces on them or not"""
        piece = self.board[square]
        kind = piece.lower()
        if kind == "p":
            return [to for a in (1, -1) if (to := _moved(square, a, 1 if piece.isupper() else -1))]
        if kind in "kn":
            return [to for a, b in (JUMPS if kind == "n" else LINES["k"]) if (to := _moved(square, a, b))]
        found = []
        for a, b in LINES[kind]:
            to = square
            while to := _moved(to, a, b):
                found.append(to)
                if to in self.board:
                    break
        return found

    def attackers(self, square, white):
        """Squares of the pieces of a side that attack a square"""
        return [at for at, piece in self.board.items() if piece.isupper() == white and square in self.attacks(at)]

    def in_check(self, white):
        (king,) = [at for at, piece in self.board.items() if piece == ("K" if white else "k")]
        return bool(self.attackers(king, not white))

    def moves(self):
        """(from, to) of every legal move of the side to move"""
        found = []
        for at, piece in self.board.items():
            if piece.isupper() != self.white:
                continue
            to = self.attacks(at)
            if piece in "Pp":
                to = [square for square in to if square in self.board] + self._pushes(at)
            own = [square for square in to if square in self.board and self.board[square].isupper() == self.white]
            found += [(at, square) for square in to if square not in own]
        return [move for move in found if not self.after(*move).in_check(self.white)]

    def _pushes(self, at):
        step = 1 if self.white else -1
        one = _moved(at, 0, step)
        if not one or one in self.board:
            return []
        two = _moved(one, 0, step)
        return [one, two] if at[1] == ("2" if self.white else "7") and two not in self.board else [one]

    def after(self, at, to):
        board = {square: piece for square, piece in self.board.items() if square != at} | {to: self.board[at]}
        return Position(board, not self.white)

    @property
    def is_mate(self):
        return self.in_check(self.white) and not self.moves()

    def play(self, san):
        """The position after one move in algebraic notation; AssertionError where it is illegal, unclear or wrongly marked"""
        match = _SAN.fullmatch(san)
        assert match, f"{san} is not a move"
        kind, file, rank, takes, to, mark = match.groups()
        wanted = (kind or "P") if self.white else (kind or "P").lower()
        found = [m for m in self.moves() if m[1] == to and self.board[m[0]] == wanted and file in m[0] and rank in m[0]]
        assert len(found) == 1, f"{san} is {'unclear' if found else 'illegal'} in {self.fen}"
        assert bool(takes) == (to in self.board), f"{san} in {self.fen}"
        after = self.after(*found[0])
        assert mark == ("#" if after.is_mate else "+" if after.in_check(after.white) else ""), f"{san} in {self.fen}"
        return after


def line(moves, start=None):
    """The position after moves such as "1.e4 e5 2.Nf3" or "5...Nxe5 6.Qxg4", from the beginning or from a position"""
    position = start or Position.of(START)
    for san in re.sub(r"\d+\.(?:\.\.)?", " ", moves).split():
        position = position.play(san)
    return position


def _moved(square, files, ranks):
    file, rank = FILES.index(square[0]) + files, RANKS.index(square[1]) + ranks
    return f"{FILES[file]}{RANKS[rank]}" if 0 <= file < 8 and 0 <= rank < 8 else ""
