"""Fitted models together: calibrated on normal images that none of them saw, and combined."""

import numpy as np
import pytest
import torch

from synthgen.errors import UsageError
from synthgen.metrics import image_auroc, pixel_auroc
from synthgen.torch.ensembles.calibration import WAYS as CALIBRATIONS
from synthgen.torch.ensembles.combining import WAYS
from synthgen.torch.models import FeatureEnsemble, PaDiM, PatchCore, ScoreEnsemble, Sinbad, load_model


@pytest.fixture(scope="module")
def many():
    """More of the stripes: fitted images, held-out ones, and normal and anomalous ones to test on."""
    rng = np.random.default_rng(7)
    stripes = 128 + 60 * np.sin(np.arange(32) / 4)
    noisy = stripes + rng.normal(0, 5, (44, 3, 32, 32))
    return torch.from_numpy(noisy.astype(np.uint8))


@pytest.fixture(scope="module")
def members(backbone, many):
    bank = PatchCore(backbone, coreset=1.0).fit([many[:12]], progress="none")
    places = PaDiM(backbone, channels=20).fit([many[:12]], progress="none")
    small = PatchCore(backbone, layers=(1,), coreset=50).fit([many[:12, :, :24, :24]], progress="none")
    return [bank, places, small]


@pytest.fixture(scope="module")
def tested(many):
    """Images to test on, the second half with a defect, and their masks."""
    images = many[28:].clone()
    images[8:, :, 12:20, 4:16] += 40
    masks = np.zeros((16, 32, 32), bool)
    masks[8:, 12:20, 4:16] = True
    return images, masks


def fitted(members, many, **options):
    return ScoreEnsemble(members, **options).fit([many[12:20], many[20:28]], progress="none")


@pytest.mark.parametrize("combine", WAYS)
def test_a_file_keeps_calibrations_weights_and_members(members, many, tested, tmp_path, combine):
    calibration = CALIBRATIONS[WAYS.index(combine) % len(CALIBRATIONS)]
    model = fitted(members if combine == "vote" else members[:2], many, combine=combine, calibration=calibration)
    model.save(tmp_path / "m")
    read = load_model(tmp_path / "m")
    assert read.options() == model.options()
    for one, again in zip(model.predict(tested[0]), read.predict(tested[0]), strict=True):
        assert np.array_equal(one, again)


def test_calibrations_stay_on_the_cpu_wherever_members_compute(members, many, tested, tmp_path, monkeypatch):
    model = fitted(members[:2], many)
    model.save(tmp_path / "m")
    monkeypatch.setattr(ScoreEnsemble, "device", torch.device("meta"))
    read = load_model(tmp_path / "m")
    assert np.array_equal(read.predict(tested[0])[1], model.predict(tested[0])[1])


@pytest.mark.parametrize("calibration", CALIBRATIONS)
def test_all_calibrations_find_the_defects(members, many, tested, calibration):
    images, masks = tested
    scores, maps = fitted(members, many, calibration=calibration).predict(images)
    assert maps.dtype == scores.dtype == np.float32
    assert image_auroc(masks.any((1, 2)), scores) > 0.9
    assert pixel_auroc(masks, maps) > 0.9


@pytest.mark.parametrize("number", [1, 2])
def test_one_member_or_two_equal_ones_score_as_the_member_does(members, many, tested, number):
    images, masks = tested
    scores, maps = members[0].predict(images)
    ensemble = fitted(members[:1] * number, many, image_scores="apart")
    found, found_maps = ensemble.predict(images)
    labels = masks.any((1, 2))
    assert image_auroc(labels, found) == image_auroc(labels, scores)
    assert pixel_auroc(masks, found_maps) == pytest.approx(pixel_auroc(masks, maps), abs=1e-6)


@pytest.mark.parametrize("combine", ["mean", "max"])
def test_the_order_of_members_does_not_matter(members, many, tested, combine):
    one = fitted(members, many, combine=combine).predict(tested[0])
    other = fitted(members[::-1], many, combine=combine).predict(tested[0])
    np.testing.assert_allclose(one[1], other[1], rtol=1e-3, atol=1e-3)


def test_few_normal_images_lie_above_the_largest_held_out_score(members, many, tested):
    """At the largest score of the images that the members were fitted to, nearly all are false alarms."""
    model = fitted(members[:1], many)
    normal = model.predict(many[28:])[0]
    held_out = model.predict(many[12:28])[0].max()
    fitted_to = model.predict(many[:12])[0].max()
    assert (normal > held_out).mean() < 0.15
    assert (normal > fitted_to).mean() > 0.9


class Quick:
    """Scores of images by their brightness alone."""

    kind = "quick"
    localises = False
    features = None
    notes = {}  # noqa: RUF012
    device = torch.device("cpu")

    def _need_fit(self):
        return (32, 32)

    def check_prediction(self, images, size):
        pass

    def predict(self, images):
        return images.float().mean((1, 2, 3)).numpy(), None


def test_members_may_have_no_maps(members, many, tested):
    images, _ = tested
    both = fitted([members[0], Quick()], many)
    scores, maps = both.predict(images)
    assert both.scores_apart
    assert maps.shape == (16, 32, 32)
    assert scores.shape == (16,)
    assert fitted([Quick()], many).predict(images)[1] is None
    none, no_maps = both.predict(images[:0])
    assert (none.shape, no_maps.shape) == ((0,), (0, 32, 32))
    with pytest.raises(UsageError, match="image_scores must be apart where a member has no maps"):
        ScoreEnsemble([members[0], Quick()], image_scores="max")


@pytest.fixture(scope="module")
def without_maps(backbone, many):
    return Sinbad(backbone, projections=20).fit([many[:12]], progress="none")


@pytest.mark.parametrize("calibration", CALIBRATIONS)
def test_a_file_keeps_an_ensemble_without_maps(without_maps, many, tested, tmp_path, calibration):
    model = fitted([without_maps], many, calibration=calibration)
    model.save(tmp_path / "m")
    read = load_model(tmp_path / "m")
    assert np.array_equal(read.predict(tested[0])[0], model.predict(tested[0])[0])
    assert not read.localises


def test_an_ensemble_without_maps_is_a_member_too(members, without_maps, many, tested):
    inner = fitted([without_maps], many)
    outer = fitted([inner, members[0]], many)
    assert outer.scores_apart
    assert outer.with_maps == [1]
    assert outer.predict(tested[0])[1].shape == (16, 32, 32)


def test_what_is_worth_knowing_is_said(members, many):
    lines = []
    bank, _, small = members
    bank.notes["normal"], small.notes["normal"] = ["a"], ["b"]
    blind = Quick()
    blind.predict = lambda images: (np.zeros(len(images), np.float32), None)
    model = ScoreEnsemble([bank, small, blind], seed=1)
    model.fit([many[12:28]], progress="none", log=lines.append)
    del bank.notes["normal"], small.notes["normal"]
    assert lines[:3] == [
        "member patchcore sees images at 24x24, they are resized for it",
        "member patchcore was fitted to other images than member patchcore",
        "member quick does not say which images it was fitted to",
    ]
    assert lines[3].startswith("score-ensemble: calibrating 3 members takes ")
    assert [line.partition(" on")[0] for line in lines[4:]] == ["member quick is weak:"]
    assert model.notes["found_of_drawn_defects"] == [round(quality, 4) for quality in model.qualities]


def test_ensembles_are_members_too(members, backbone, many, tested, tmp_path):
    features = FeatureEnsemble([backbone], components=4, set={"coreset": 20}).fit([many[:12]], progress="none")
    model = fitted([features, members[0]], many)
    model.save(tmp_path / "m")
    assert np.array_equal(load_model(tmp_path / "m").predict(tested[0])[1], model.predict(tested[0])[1])


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"weights": (1, 2, 3)}, "^weights must be left out unless combine is weights, got combine mean"),
        ({"combine": "weights", "weights": (1,)}, "^weights must be 2, one for each member, got 1"),
        ({"combine": "vote"}, "^combine must have at least 3 members for a vote, got 2"),
        ({"combine": "trees"}, "^combine must be one of mean, .*, got 'trees'"),
        ({"seed": -1}, "^seed must be"),
    ],
)
def test_options_that_do_not_go_together_are_refused(members, options, rule):
    with pytest.raises(UsageError, match=rule):
        ScoreEnsemble(members[:2], **options)


def test_members_must_be_fitted_and_named_once(backbone, members, tmp_path):
    with pytest.raises(UsageError, match="patchcore must be fitted first"):
        ScoreEnsemble([PatchCore(backbone)])
    with pytest.raises(UsageError, match="member must name the file of a fitted model, got none"):
        ScoreEnsemble([])
    with pytest.raises(UsageError, match="score-ensemble must be fitted first"):
        ScoreEnsemble(members[:2]).save(tmp_path / "m")


def test_the_batch_size_changes_no_weight(members, many):
    found = []
    for size in (3, 16):
        model = ScoreEnsemble(members[:2], combine="weights").fit(many[12:28].split(size), progress="none")
        found.append(model.weights_of_pixels)
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-5)


def test_weights_are_given_or_follow_from_drawn_defects(members, many):
    given = fitted(members[:2], many, combine="weights", weights=(1, 3))
    assert given.weights_of_pixels.tolist() == [0.25, 0.75]
    drawn = fitted(members[:2], many, combine="weights").weights_of_pixels
    assert float(drawn.sum()) == pytest.approx(1)
