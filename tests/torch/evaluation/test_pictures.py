"""Pictures of a measured set: sheets, decisions and coverage for each category."""

import numpy as np
from PIL import Image

from synthgen.layouts import open_images, open_test_set
from synthgen.layouts.framing import Box
from synthgen.torch.evaluation import pictures as module
from synthgen.torch.evaluation import predict_set
from synthgen.torch.evaluation.pictures import write_pictures


def test_models_stand_side_by_side_on_the_sheets_of_a_category(predictions, tmp_path):
    written = write_pictures({"one": predictions, "two": predictions}, tmp_path, {"one": 130.0})
    assert [path.name for path in written] == ["sheet.png", "decisions.png", "coverage.png"]
    alone = write_pictures({"one": predictions}, tmp_path / "..", {"one": 130.0})
    with Image.open(written[0]) as both, Image.open(alone[0]) as single:
        assert both.width > single.width
        assert both.height == single.height


def test_images_are_spread_over_the_kinds_and_cut_as_the_maps_are(predictions):
    shown = module._shown({"one": predictions}, "brick", lambda shape: Box(0, 0, shape[0], 20))
    assert [image.name for image in shown] == ["dent/0", "dent/2", "hole/0", "hole/2"]
    assert shown[0].image.shape == (24, 20, 3)
    np.testing.assert_array_equal(shown[0].maps[0], predictions.maps[0])
    assert shown[0].mask.any()


def test_a_threshold_of_the_test_set_itself_is_named_so(predictions):
    part = predictions.part("brick")
    assert module._scale("one", part, None)[::3] == ("one, oracle", part.best_pixel_threshold[0])
    assert module._scale("one", part, 5.0)[::3] == ("one", 5.0)


def test_several_categories_have_files_of_their_own_and_unmarked_ones_none(tmp_path, sets):
    sets.put_category(tmp_path / "a", {"dent": 60})
    sets.put_category(tmp_path / "b", {"dent": 60}, masks=False)
    predictions = predict_set(sets.Brightness(), open_test_set(tmp_path))
    written = write_pictures({"one": predictions}, tmp_path)
    assert [path.name for path in written] == ["sheet-a.png", "decisions-a.png", "coverage-a.png"]
    bare = predict_set(sets.Brightness(), open_images([tmp_path / "a" / "test" / "good"]))
    assert write_pictures({"one": bare}, tmp_path) == []
