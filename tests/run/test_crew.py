import subprocess

import pytest

from synthgen.errors import WorkerError
from synthgen.run.crew import Crew, Worker


class Echo(Worker):
    """A process that reports its orders; one that is told to dies."""

    def __init__(self, command):
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        super().__init__(process, process.stdout.fileno())

    def end(self):
        self.process.kill()
        self.dismiss()
        self.process.stdout.close()
        return str(self.process.wait())


class Echoes(Crew):
    def __init__(self, tasks, command=("cat",)):
        super().__init__(list(tasks))
        self.command = command
        self.done = []
        self.buried = []

    def _new(self):
        return Echo(self.command)

    def _give(self, worker):
        worker.task = self._waiting.pop()
        worker.send({"task": worker.task})

    def _take(self, worker, report):
        self.done.append(report["task"])
        worker.task = None

    def _bury(self, worker):
        worker.end()
        self.buried.append(worker.task)


@pytest.mark.parametrize("workers", [1, 3])
def test_every_task_is_done_once(workers):
    crew = Echoes(range(7))
    crew.run(workers)
    crew.end()
    assert sorted(crew.done) == list(range(7))
    assert crew.buried == []


def test_the_task_of_a_dead_worker_is_settled_and_the_others_go_on():
    crew = Echoes([1, 2, 3], command=("true",))
    crew.run(2)
    crew.end()
    assert crew.done == []
    assert sorted(crew.buried) == [1, 2, 3]


def test_a_worker_that_cannot_be_started_is_said():
    crew = Echoes([1], command=("no-such-program",))
    with pytest.raises(WorkerError, match="a worker process cannot be started"):
        crew.run(1)
