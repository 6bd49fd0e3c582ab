import torch

from jointset.training.threads import ONE_THREAD, operations, threads


def test_small_steps_run_on_one_thread(problem, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    torch.set_num_threads(2)
    with threads(problem, None, 16) as used:
        assert used == torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)


def test_large_steps_keep_the_threads_there_are(problem, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    torch.set_num_threads(2)
    rows = int(ONE_THREAD / operations(problem, 1)) + 1
    with threads(problem, None, rows) as used:
        assert used == 2
    torch.set_num_threads(1)


def test_the_word_of_the_user_counts(problem, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    torch.set_num_threads(2)
    with threads(problem, None, 16) as used:
        assert used == 2
    with threads(problem, 1, 10**9) as used:
        assert used == 1
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)


def test_operations_grow_with_the_batch(problem):
    assert operations(problem, 64) == 2 * operations(problem, 32) > 0
