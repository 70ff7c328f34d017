"""What a value is made from: data, a network, raw scores."""

from __future__ import annotations

from reading import model_of

from nnlint.static.scores import is_data


def test_a_sum_carried_round_a_loop_is_asked_once() -> None:
    script = model_of(
        """
        import torch

        class Confusion:
            def __init__(self, classes):
                self.classes, self.mat = classes, None

            def update(self, target, prediction):
                if self.mat is None:
                    self.mat = torch.zeros((self.classes, self.classes), dtype=torch.int64)
                index = self.classes * target + prediction
                self.mat += torch.bincount(index, minlength=self.classes**2).reshape(self.classes, -1)

            def compute(self):
                h = self.mat.float()
                return torch.diag(h) / (h.sum(1) + h.sum(0) - torch.diag(h))
        """
    )
    for call in script.calls:
        assert is_data(call) in (True, False)
    (zeros,) = script.calls_of("zeros")
    assert is_data(zeros)
