"""Refinement: the mask comes to the defect's outline, and where it does not help the coarse mask comes back."""

import msgspec
import numpy as np
import pytest
import torch

import synthgen.torch
from synthgen.errors import UsageError
from synthgen.torch import PaDiM, PatchCore
from synthgen.torch.refinement import RefineOptions, refine, refine_all

FAST = RefineOptions(iterations=20)


def overlap(truth, mask):
    return (truth & mask).sum() / (truth | mask).sum()


@pytest.fixture(scope="module")
def refined(model, defect):
    image, _, coarse = defect
    return refine(model, image, coarse, options=FAST)


def test_the_mask_comes_to_the_outline(refined, defect):
    _, truth, coarse = defect
    assert refined.notes == ()
    assert overlap(truth, coarse) < 0.45
    assert overlap(truth, refined.mask) > 0.85


def test_the_normal_image_equals_the_image_outside_of_the_mask_and_is_normal_inside(refined, defect, model):
    image, truth, _ = defect
    outside = ~refined.mask
    assert (refined.normal[outside] == image[outside]).all()
    red = refined.normal[truth].astype(int)
    assert np.abs(red[:, 0] - red[:, 1]).mean() < 60 < np.abs(image[truth].astype(int)[:, 0] - 30).mean()
    assert refined.difference[~(truth | refined.mask)].max() < refined.difference[truth].mean()


def test_the_module_is_called_as_its_function_is(refined, model, defect):
    image = torch.from_numpy(defect[0].transpose(2, 0, 1).copy())
    again = synthgen.torch.refine(model, image, defect[2], options=FAST)
    np.testing.assert_array_equal(again.mask, refined.mask)


def test_without_a_mask_the_threshold_of_the_model_makes_one(model, defect):
    image, truth, _ = defect
    assert overlap(truth, refine(model, image, options=FAST).mask) > 0.7
    batch = torch.from_numpy(image.transpose(2, 0, 1).copy())
    bare = PatchCore("random:test_resnet", layers=(1, 2), device="cpu").fit([batch])
    with pytest.raises(UsageError, match="threshold must be given for a model that keeps none"):
        refine(bare, image)


def test_images_of_a_batch_do_not_change_each_other(model, defect, refined):
    image, _, coarse = defect
    other = np.roll(image, 11, axis=0)
    together = refine_all(model, [other, image], [np.roll(coarse, 11, axis=0), coarse], options=FAST)
    assert overlap(together[1].mask, refined.mask) > 0.97
    assert overlap(np.roll(together[0].mask, -11, axis=0), refined.mask) > 0.8


def test_recovering_makes_the_inside_more_normal(model, defect, refined):
    image, _, coarse = defect
    recovered = refine(model, image, coarse, options=RefineOptions(iterations=20, recover=True))
    np.testing.assert_array_equal(recovered.mask, refined.mask)
    outside = ~recovered.mask
    assert (recovered.normal[outside] == image[outside]).all()
    assert not np.array_equal(recovered.normal, refined.normal)


def test_a_gray_image_keeps_gray(model, defect):
    image, truth, coarse = defect
    gray = np.where(truth, 255, image[..., 1]).astype(np.uint8)
    result = refine(model, gray, coarse, options=FAST)
    assert (result.normal == result.normal[..., :1]).all()
    assert overlap(truth, result.mask) > 0.7


def test_equal_calls_give_equal_results(model, defect, refined):
    again = refine(model, defect[0], defect[2], options=FAST)
    assert again.mask.tobytes() == refined.mask.tobytes()
    assert again.difference.tobytes() == refined.difference.tobytes()


def test_where_nothing_can_be_won_the_coarse_mask_comes_back_with_a_note(model, normal, defect):
    image, _, coarse = defect
    nothing = np.zeros_like(coarse)
    cases = (
        (image, nothing, {}, "not refined: the mask is empty"),
        (image, ~nothing, {}, "not refined: the region covers 100% of the image"),
        (image, coarse, {"difference": 50.0}, "not refined: no difference was found"),
    )
    for picture, mask, options, note in cases:
        result = refine(model, picture, mask, options=RefineOptions(iterations=20, **options))
        assert result.notes[0].startswith(note)
        np.testing.assert_array_equal(result.mask, mask)
        np.testing.assert_array_equal(result.normal, picture)


def test_a_defect_that_goes_on_beyond_the_region_is_told(model, defect):
    image, truth, _ = defect
    half = truth.copy()
    half[:, 26:] = False
    result = refine(model, image, half, options=FAST)
    assert result.notes
    assert result.helped is ("not refined" not in result.notes[0])


def test_a_region_hidden_by_the_border_is_left_as_it_is(normal, defect):
    batches = [torch.from_numpy(normal.transpose(0, 3, 1, 2).copy())]
    model = PaDiM("random:test_resnet", layers=(1, 2), channels=20, border=6, device="cpu").fit(batches)
    hidden = np.zeros((64, 64), bool)
    hidden[:6, :6] = True
    assert refine(model, defect[0], hidden).notes == (
        "not refined: the mask lies in the border, where the model scores nothing",
    )


def test_mistakes_are_one_line(model, defect):
    image, _, coarse = defect
    wrong = np.where(coarse, np.nan, 0.0)
    for call, rule in (
        (
            lambda: refine(model, image, coarse[:32]),
            r"mask must have the shape \(64, 64\) of its image, got \(32, 64\)",
        ),
        (lambda: refine(model, image, wrong), "mask must be finite"),
        (lambda: refine(model, image[:32], coarse), "images must be 64 x 64 as the model's, got 32 x 64"),
        (lambda: refine(model, image / 255, coarse), r"images must be uint8 \(H, W, 3\)"),
        (lambda: refine(model, image, coarse, options=RefineOptions(inpaint="nearest")), "normal must be images"),
    ):
        with pytest.raises(UsageError, match=rule) as error:
            call()
        assert "\n" not in str(error.value)


def test_options_go_out_to_json_and_come_back_equal():
    options = RefineOptions(sparsity=300, difference=0.4)
    assert msgspec.json.decode(msgspec.json.encode(options), type=RefineOptions) == options
