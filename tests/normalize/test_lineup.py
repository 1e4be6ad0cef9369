"""Workers and one output: every byte at its place, whoever takes what and whenever it is finished."""

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cat_normalize.normalize import lineup
from cat_normalize.normalize.lineup import AbandonedError, Lineup, Output, Run

SIZES = st.lists(st.integers(0, 9), max_size=12)


@given(st.data(), SIZES, st.integers(0, 12))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_part_comes_to_its_place(tmp_path_factory, data, sizes, held):
    folder = tmp_path_factory.mktemp("lineup")
    parts = [bytes([65 + number]) * size for number, size in enumerate(sizes)]
    Lineup.create(folder / "lineup", len(parts))
    (folder / "out").write_bytes(b"head")
    with contextlib.ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setattr(lineup, "_HELD", held)
        outputs = []
        for worker in range(3):
            one = stack.enter_context(Lineup(folder / "lineup"))
            target = stack.enter_context((folder / "out").open("r+b"))
            outputs.append(Output(one, target, 4, folder / f"aside-{worker}"))
        for number in data.draw(st.permutations(range(len(parts)))):
            output = data.draw(st.sampled_from(outputs))
            if data.draw(st.booleans()):
                output.add(number, parts[number])
            else:
                output.add_large(number, iter([parts[number][:2], parts[number][2:]]))
        for output in outputs:
            output.finish()
    assert (folder / "out").read_bytes() == b"head" + b"".join(parts)


def test_places_may_be_asked_for_in_any_order(tmp_path):
    Lineup.create(tmp_path / "lineup", 4)
    with Lineup(tmp_path / "lineup") as one, Lineup(tmp_path / "lineup") as two:
        assert (one.place(0), one.place(1), one.place(3)) == (0, None, None)
        for part, size in ((1, 5), (0, 3), (2, 0)):
            two.tell(part, size)
        assert [one.place(part) for part in (3, 1, 2, 0)] == [8, 3, 8, 0]


def test_a_part_is_taken_once_and_in_order(tmp_path):
    Lineup.create(tmp_path / "lineup", 3)
    with Lineup(tmp_path / "lineup") as one, Lineup(tmp_path / "lineup") as two:
        first, second = one.take([2, 0, 1]), two.take([2, 0, 1])
        assert [next(first), next(second), next(second)] == [2, 0, 1]
        assert (list(first), list(second)) == ([], [])


def test_what_waits_long_waits_in_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(lineup, "_HELD", 5)
    Lineup.create(tmp_path / "lineup", 4)
    with Lineup(tmp_path / "lineup") as one, (tmp_path / "out").open("w+b") as target:
        output = Output(one, target, 0, tmp_path / "aside")
        output.add(1, b"12345")
        assert not (tmp_path / "aside").exists()
        output.add(2, b"6")
        output.add(3, b"7")
        assert (tmp_path / "aside").read_bytes() == b"123456"
        output.add(0, b"0")
        output.finish()
    assert (tmp_path / "out").read_bytes() == b"01234567"


def test_who_fails_stops_the_others_where_they_take_and_where_they_wait(tmp_path):
    Lineup.create(tmp_path / "lineup", 2)
    with Lineup(tmp_path / "lineup") as other, (tmp_path / "out").open("w+b") as target:
        output = Output(other, target, 0, tmp_path / "aside")
        output.add(1, b"waits for the first")
        with pytest.raises(ZeroDivisionError), Lineup(tmp_path / "lineup"):
            raise ZeroDivisionError
        with pytest.raises(AbandonedError):
            output.finish()
        with pytest.raises(AbandonedError):
            next(other.take([0, 1]))


@pytest.mark.parametrize("size", [0, 1, lineup._COPIED, 3 * lineup._COPIED - 1])
def test_a_run_is_copied_whole_whatever_its_size(tmp_path, size):
    (tmp_path / "from").write_bytes(b"<" + b"\n" * size + b">")
    with (tmp_path / "to").open("wb") as target:
        Run(tmp_path / "from", 1, 1 + size).copy(target)
    assert (tmp_path / "to").read_bytes() == b"\n" * size
    assert list(Run(tmp_path / "from", 1, 1 + size).lines(16)) == [b"\n"] * size
