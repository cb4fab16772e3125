"""ImageFolder: folders sort as the labels do."""

import synthgen
from synthgen.layouts.export import export


def test_folders_sort_as_the_labels_and_hold_their_images(data_set, tmp_path):
    export("imagefolder", data_set, tmp_path / "out", split="train=0.5,val=0.5")
    ours = synthgen.open(data_set)
    for split in ("train", "val"):
        folders = sorted(path for path in (tmp_path / "out" / split).iterdir())
        assert len(folders) == 5
        for label, folder in enumerate(folders):
            assert folder.name == f"{label:06d}-{ours.classes[label]['name']}"
            assert {int(path.name[1:7]) for path in folder.iterdir()} == {label}


def test_folders_that_the_hub_does_not_take_are_written_and_named(plates, tmp_path, monkeypatch):
    assert export("imagefolder", plates, tmp_path / "small").notes == []
    monkeypatch.setattr("synthgen.layouts.imagefolder.IN_A_FOLDER", 4)
    (note,) = export("imagefolder", plates, tmp_path / "out").notes
    assert note.startswith("folders of up to 5 files: the Hub takes 4")


def test_classes_of_several_data_sets_are_joined_by_their_names(plates, tmp_path):
    report = export("imagefolder", [plates, plates], tmp_path / "out", classes=["good", "bump"])
    folders = sorted((tmp_path / "out" / "train").iterdir())
    assert [folder.name for folder in folders] == ["000000-good", "000001-bump"]
    assert [len(list(folder.iterdir())) for folder in folders] == [10, 10]
    assert report.images == 20
