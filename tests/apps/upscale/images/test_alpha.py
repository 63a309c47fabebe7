import torch

from wildsr.apps.upscale.images.alpha import fill_transparent


def test_what_is_not_seen_takes_the_colour_of_the_nearest_pixel_that_is():
    colour = torch.tensor([[[0.0, 0.2, 0.7, 0.0, 0.0, 0.0, 0.9]]])
    alpha = torch.tensor([[[0.0, 1.0, 0.01, 0.0, 0.0, 0.0, 0.5]]])
    # In the middle both are two pixels away: either will do.
    filled = fill_transparent(colour, alpha)[0, 0].tolist()
    assert torch.tensor(filled[:4]).tolist() == torch.tensor([0.2, 0.2, 0.7, 0.7]).tolist()
    assert filled[5:] == torch.tensor([0.9, 0.9]).tolist()
    assert filled[4] in torch.tensor([0.7, 0.9]).tolist()


def test_all_channels_are_filled_from_one_pixel_across_rows():
    colour = torch.zeros(3, 3, 3)
    colour[:, 1, 1] = torch.tensor([0.1, 0.2, 0.3])
    alpha = torch.zeros(1, 3, 3)
    alpha[0, 1, 1] = 1
    assert torch.equal(fill_transparent(colour, alpha), torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1).expand(3, 3, 3))


def test_images_that_are_seen_all_over_or_nowhere_stay_what_they_are():
    colour = torch.rand(3, 4, 5)
    for alpha in (torch.full((1, 4, 5), 0.004), torch.zeros(1, 4, 5)):
        assert fill_transparent(colour, alpha) is colour
