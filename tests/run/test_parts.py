"""Which part of a data set a process draws."""

import pytest

from synthgen.errors import UsageError
from synthgen.run.parts import Part, parse_part, record_parts


def set_array(monkeypatch, task, first, last, count, step=1):
    values = {"ID": task, "MIN": first, "MAX": last, "COUNT": count, "STEP": step}
    for name, value in values.items():
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", str(value))


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "1/0", "-1/3", "a/b", "1/2/3", ""])
def test_parts_are_checked(text):
    with pytest.raises(UsageError, match="part must be K/N"):
        parse_part(text)


def test_parts_are_taken_from_slurm(monkeypatch):
    for name, value in (("ID", 7), ("MIN", 5), ("COUNT", 4)):
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", str(value))
    assert parse_part("auto")[:2] == (3, 4)
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "20")
    with pytest.raises(UsageError, match="even steps"):
        parse_part("auto")
    monkeypatch.setenv("SLURM_ARRAY_TASK_STEP", "5")
    assert parse_part("auto")[:2] == (4, 4)
    monkeypatch.delenv("SLURM_ARRAY_TASK_COUNT")
    with pytest.raises(UsageError, match="Slurm"):
        parse_part("auto")


# tasks of an array (first, last, count, step), and how a folder was begun -> the part of each task
BEGUN_AS_1_TO_8 = Part(1, 8)
BEGUN_AS_0_TO_7 = Part(1, 8, first=0)
SENT = [
    ("--array=1-8", (1, 8, 8, 1), None, {1: (1, 8), 8: (8, 8)}),
    ("--array=0-7", (0, 7, 8, 1), None, {0: (1, 8), 7: (8, 8)}),
    ("--array=1", (1, 1, 1, 1), None, {1: (1, 1)}),
    ("--array=3,7 of 1-8", (3, 7, 2, 1), BEGUN_AS_1_TO_8, {3: (3, 8), 7: (7, 8)}),
    ("--array=3,7 of 0-7", (3, 7, 2, 1), BEGUN_AS_0_TO_7, {3: (4, 8), 7: (8, 8)}),
    ("--array=5-8 of 1-8", (5, 8, 4, 1), BEGUN_AS_1_TO_8, {5: (5, 8), 8: (8, 8)}),
    ("--array=3 of 1-8", (3, 3, 1, 1), BEGUN_AS_1_TO_8, {3: (3, 8)}),
    ("--array=10,30 of 0-70:10", (10, 30, 2, 1), Part(1, 8, first=0, step=10), {10: (2, 8), 30: (4, 8)}),
]


@pytest.mark.parametrize(("array", "begun", "parts"), [row[1:] for row in SENT], ids=[row[0] for row in SENT])
def test_tasks_that_are_sent_again_draw_the_parts_that_they_were(tmp_path, monkeypatch, array, begun, parts):
    if begun is not None:
        record_parts(tmp_path, begun)
    for task, part in parts.items():
        set_array(monkeypatch, task, *array)
        assert parse_part("auto", tmp_path)[:2] == part


UNCLEAR = [
    ("--array=3,7", (3, 7, 2, 1), None, "auto"),
    ("--array=3", (3, 3, 1, 1), None, "auto"),
    ("--array=1-16 of 1-8", (1, 16, 16, 1), BEGUN_AS_1_TO_8, "auto"),
    ("--array=0-7 of 1-8", (0, 7, 8, 1), BEGUN_AS_1_TO_8, "auto"),
    ("--array=0-63 as auto/64", (0, 63, 64, 1), None, "auto/64"),
    ("--array=1-65 as auto/64", (1, 65, 65, 1), None, "auto/64"),
]


@pytest.mark.parametrize(("array", "begun", "text"), [row[1:] for row in UNCLEAR], ids=[row[0] for row in UNCLEAR])
def test_all_tasks_of_an_array_that_does_not_say_its_parts_are_refused(tmp_path, monkeypatch, array, begun, text):
    if begun is not None:
        record_parts(tmp_path, begun)
    first, last, count, _ = array
    for task in (first, last) if count == 2 else range(first, last + 1):
        set_array(monkeypatch, task, *array)
        with pytest.raises(UsageError, match="part auto"):
            parse_part(text, tmp_path)


def test_the_number_of_parts_can_be_said(monkeypatch):
    for task in (3, 7, 64):
        set_array(monkeypatch, task, 3, 64, 3)
        assert parse_part("auto/64")[:2] == (task, 64)


def test_a_damaged_note_of_the_parts_counts_as_none(tmp_path, monkeypatch):
    record_parts(tmp_path, BEGUN_AS_1_TO_8)
    (tmp_path / ".parts.json").write_text("{")
    set_array(monkeypatch, 2, 1, 4, 4)
    assert parse_part("auto", tmp_path)[:2] == (2, 4)


# what a scheduler sets, what is asked for -> the part
TOLD = {
    "SGE 1-8": (
        {"SGE_TASK_ID": 3, "SGE_TASK_FIRST": 1, "SGE_TASK_LAST": 8, "SGE_TASK_STEPSIZE": 1},
        "auto",
        (3, 8),
    ),
    "SGE 2-8:2": (
        {"SGE_TASK_ID": 6, "SGE_TASK_FIRST": 2, "SGE_TASK_LAST": 8, "SGE_TASK_STEPSIZE": 2},
        "auto",
        (3, 4),
    ),
    "LSF 1-8": ({"LSB_JOBINDEX": 8, "LSB_JOBINDEX_END": 8, "LSB_JOBINDEX_STEP": 1}, "auto", (8, 8)),
    "AWS Batch": ({"AWS_BATCH_JOB_ARRAY_INDEX": 0, "AWS_BATCH_JOB_ARRAY_SIZE": 8}, "auto", (1, 8)),
    "AWS Batch, N": ({"AWS_BATCH_JOB_ARRAY_INDEX": 7, "AWS_BATCH_JOB_ARRAY_SIZE": 8}, "auto/8", (8, 8)),
    "PBS 1-8": ({"PBS_ARRAY_INDEX": 5}, "auto/8", (5, 8)),
    "Torque 1-8": ({"PBS_ARRAYID": 5}, "auto/8", (5, 8)),
    "Kubernetes": ({"JOB_COMPLETION_INDEX": 0}, "auto/8", (1, 8)),
    "Kubernetes, last": ({"JOB_COMPLETION_INDEX": 7}, "auto/8", (8, 8)),
}
ALL = {name for values, _, _ in TOLD.values() for name in values} | {"SLURM_ARRAY_TASK_ID"}


def set_variables(monkeypatch, values):
    for name in ALL:
        monkeypatch.delenv(name, raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, str(value))


@pytest.mark.parametrize(("values", "text", "part"), TOLD.values(), ids=TOLD)
def test_parts_are_taken_from_schedulers(monkeypatch, values, text, part):
    set_variables(monkeypatch, values)
    assert parse_part(text)[:2] == part


# what a scheduler sets, what is asked for -> what is said of it
NOT_TOLD = {
    "PBS": ({"PBS_ARRAY_INDEX": 5}, "auto", "part auto must be auto/N: PBS does not say of how many parts"),
    "Kubernetes": ({"JOB_COMPLETION_INDEX": 5}, "auto", "Kubernetes does not say"),
    "Kubernetes, too many": ({"JOB_COMPLETION_INDEX": 8}, "auto/8", "a task from 0 to 7 .* got task 8$"),
    "SGE, no array": ({"SGE_TASK_ID": "undefined"}, "auto", "needs a job array of one of Slurm, SGE"),
    "LSF, no array": ({"LSB_JOBINDEX": "0"}, "auto/8", "needs a job array of one of Slurm, SGE"),
    "AWS Batch": ({"AWS_BATCH_JOB_ARRAY_INDEX": 0}, "auto", "needs AWS_BATCH_JOB_ARRAY_SIZE as a number"),
    "nothing": ({}, "auto", "no variable of theirs is set"),
}


@pytest.mark.parametrize(("values", "text", "words"), NOT_TOLD.values(), ids=NOT_TOLD)
def test_what_a_scheduler_does_not_say_is_asked_for(monkeypatch, values, text, words):
    set_variables(monkeypatch, values)
    with pytest.raises(UsageError, match=words):
        parse_part(text)


def test_tasks_that_are_sent_again_need_no_number_of_parts(tmp_path, monkeypatch):
    record_parts(tmp_path, Part(1, 8, first=0))
    set_variables(monkeypatch, {"JOB_COMPLETION_INDEX": 5})
    assert parse_part("auto", tmp_path)[:2] == (6, 8)
