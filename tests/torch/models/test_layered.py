"""Models that take each layer at its own size."""

from synthgen.torch.models import Cflow, Sinbad


def test_maps_of_layers_keep_their_own_sizes_without_the_border(backbone, images):
    for model in (Cflow(backbone, layers=(1, 2), border=2), Sinbad(backbone, layers=(1, 2), border=2)):
        maps = model._features(images)
        assert [tuple(each.shape[1:]) for each in maps] == model._shapes((64, 64))
        assert [each.shape[2] for each in maps] == [12, 6]
