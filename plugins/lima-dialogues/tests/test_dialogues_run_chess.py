"""Dialogue 05: every line in it is legal and ends as the text says, by a small move generator."""

import re

import pytest
from chess_rules import START, Position, line
from dialogue_texts import answer, asked, blocks, tables

A = [answer(5, nth) for nth in range(1, 7)]
OPENING = "1.e4 e5 2.Nf3 d6 3.Bc4 Bg4 4.Nc3"
VALUE = {"p": 1, "n": 3, "b": 3, "r": 5, "q": 9, "k": 0}


def material(position):
    """White's pieces less Black's, in pawns"""
    return sum(VALUE[piece.lower()] * (1 if piece.isupper() else -1) for piece in position.board.values())


def said(moves, text):
    """Moves that must be in a text, bold or not, with whatever words between them"""
    plain = re.sub(r"[*,]", "", text)
    missing = [move for move in moves.split() if re.sub(r"^\d+\.(\.\.)?", "", move) not in plain]
    assert missing == [], f"{missing} no longer in {text[:60]!r} …"
    return moves


@pytest.fixture
def game():
    """The position before 5.Nxe5 of the game as it was, with 4...Nc6"""
    return line(f"{OPENING} Nc6")


def test_the_generator_counts_the_moves_that_are_known():
    start = Position.of(START)
    assert (start.fen, len(start.moves())) == (START, 20)
    assert sum(len(start.after(*move).moves()) for move in start.moves()) == 400
    with pytest.raises(AssertionError, match="Ke2 is illegal"):
        line("1.Ke2")
    with pytest.raises(AssertionError, match="Nd2 is unclear"):
        line("1.Nf3 a6 2.d4 a5 3.Bf4 a4 4.Nd2")
    assert line("1.f3 e5 2.g4 Qh4#").is_mate


def test_the_mate_the_board_and_why_no_square_is_free():
    end = line(f"{OPENING} {said('4...g6 5.Nxe5 5...Bxd1 6.Bxf7+ Ke7 7.Nd5#', asked(5, 1))}")
    assert end.is_mate
    rows = [row[3:].replace(" ", "") for row in blocks(A[0])[0].splitlines()[:8]]
    assert Position.of("/".join(rows).replace(".", "1") + " b").fen == end.fen
    (table,) = tables(A[0])
    squares = [square for row in table[1:] for square in row[0].split(", ")]
    assert sorted(squares) == sorted(end.attacks("e7"))
    for where, why in table[1:]:
        for square in where.split(", "):
            attackers = end.attackers(square, white=True)
            by = re.search(r"by the (?:bishop|knight) on (\w\d)", why)
            assert by.group(1) in attackers if by else end.board[square].islower()


def test_taking_the_knight_costs_a_pawn_and_either_developing_move_made_it_an_error():
    said("4...Nf6 5.Nxe5 5...dxe5 6.Qxg4", A[0])
    assert material(line(f"{OPENING} g6 5.Nxe5 dxe5 6.Qxg4")) == 1
    assert material(line(f"{OPENING} Nf6 5.Nxe5 dxe5 6.Be2 Bxe2 7.Qxe2")) == -2


def test_the_knight_that_takes_back_protects_and_attacks(game):
    said("5...Nxe5 6.Qxg4 Nxg4 6.Be2 Bxe2 7.Qxe2 6.Bxf7+ 6...Kxf7 7.Qxg4", A[1])
    after = line("5.Nxe5 Nxe5", game)
    fen = re.search(r"`([^`]+ w KQkq - 0 6)`", A[1]).group(1)
    assert Position.of(fen).fen == after.fen
    assert {"g4", "c4"} <= set(after.attacks("e5"))
    assert material(line("6.Qxg4 Nxg4", after)) == 1 - 3 - 9 + 3
    assert material(line("6.Be2 Bxe2 7.Qxe2", after)) == -2
    assert line("6.Bxf7+ Kxf7", after).attackers("g4", white=False) == ["e5"]
    assert line("6.Bxf7+ Nxf7", after).attackers("g4", white=False) == []
    line("6.Bxf7+ Nxf7 7.Qxg4", after)
    assert line("5.Nxe5 Bxd1 6.Bxf7+ Ke7 7.Nd5#", game).is_mate


def test_h3_first_is_wrong_in_the_third_answer_and_right_in_the_fourth(game):
    said("5...Bh5 6.Nxe5 Nxe5 6...Bxd1 7.Bxf7+ Ke7 8.Nd5#", A[2])
    with_bishop = line("5.h3 Bh5", game)
    assert line("6.Nxe5 Bxd1 7.Bxf7+ Ke7 8.Nd5#", with_bishop).is_mate
    taken = line("6.Nxe5 Nxe5", with_bishop)
    assert "h5" not in taken.attacks("e5")
    moves = said("6.Nxe5 Nxe5 7.Qxh5 Nxc4 8.Qb5+ c6 9.Qxc4", A[3])
    forked = line("6.Nxe5 Nxe5 7.Qxh5 Nxc4 8.Qb5+", with_bishop)
    assert "c4" in forked.attacks("b5")
    assert material(line(moves, with_bishop)) == 1


def test_the_other_replies_to_h3(game):
    (table,) = tables(A[3])
    assert [re.findall(r"5\.\.\.\S+", row[0]) for row in table[1:]] == [
        ["5...Bh5"],
        ["5...Bxf3"],
        ["5...Be6", "5...Bd7"],
    ]
    swapped = line("5.h3 Bxf3 6.Qxf3", game)
    assert material(swapped) == 0
    assert {"f3", "c4"} == set(swapped.attackers("f7", white=True))
    assert line("a6 7.Qxf7#", swapped).is_mate
    guarded = line(said("6...Nf6", A[3]), swapped)
    assert "f3" not in guarded.attackers("f7", white=True)
    for reply in ("Be6", "Bd7"):
        assert material(line(f"5.h3 {reply} 6.Nxe5 Nxe5", game)) == -2
