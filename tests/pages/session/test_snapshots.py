"""A page goes through a mapping while jobs write it."""

import threading

from pages.session.snapshots import Snapshots


def test_who_goes_through_it_sees_one_moment() -> None:
    numbers: Snapshots[int, int] = Snapshots()
    numbers.update({1: 1, 2: 4})
    seen = []
    for key in numbers:
        numbers[key + 10] = 0
        del numbers[key]
        seen.append(key)
    assert seen == [1, 2]
    assert dict(numbers) == {11: 0, 12: 0}
    for _, value in numbers.items():
        numbers[value + 20] = 1
    assert dict(numbers) == {11: 0, 12: 0, 20: 1}
    numbers.drop(lambda key: key > 11)
    assert list(numbers.values()) == [0]


def test_no_writer_loses_what_another_one_wrote() -> None:
    numbers: Snapshots[int, int] = Snapshots()

    def write(first: int) -> None:
        for number in range(first, first + 200):
            numbers[number] = number

    threads = [threading.Thread(target=write, args=(200 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(800))
