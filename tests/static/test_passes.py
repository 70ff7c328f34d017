"""The same training step, written in every style that the issue names, reads as the same events."""

from __future__ import annotations

import pytest
from reading import model_of, steps

from nnlint.static.values import EventKind

USUAL = ["zero_grad", "forward", "loss", "backward", "step"]

STYLES = {
    "flat script": """
        import torch
        net = torch.nn.Linear(1, 1)
        opt = torch.optim.SGD(net.parameters(), 0.1)
        crit = torch.nn.MSELoss()
        for x, y in torch.utils.data.DataLoader([]):
            opt.zero_grad()
            loss = crit(net(x), y)
            loss.backward()
            opt.step()
        """,
    "main and train with the model passed": """
        import torch
        def train(model, loader, optimizer, criterion):
            for x, y in loader:
                optimizer.zero_grad()
                loss = criterion(model(x), y)
                loss.backward()
                optimizer.step()
        def main():
            model = torch.nn.Linear(1, 1)
            optimizer = torch.optim.Adam(model.parameters())
            train(model, torch.utils.data.DataLoader([]), optimizer, torch.nn.L1Loss())
        if __name__ == "__main__":
            main()
        """,
    "train that nothing calls": """
        import torch
        import torch.nn.functional as F
        def train(net, loader, opt):
            net.train()
            for x, y in loader:
                opt.zero_grad()
                loss = F.cross_entropy(net(x), y)
                loss.backward()
                opt.step()
        """,
    "Trainer class": """
        import torch
        class Trainer:
            def __init__(self, model, data):
                self.model = model
                self.data = data
                self.optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
                self.loss = torch.nn.MSELoss()
            def fit(self):
                for epoch in range(3):
                    self.epoch()
            def epoch(self):
                for x, y in self.data:
                    self.optimizer.zero_grad()
                    out = self.model(x)
                    self.update(self.loss(out, y))
            def update(self, loss):
                loss.backward()
                self.optimizer.step()
        Trainer(torch.nn.Linear(1, 1), torch.utils.data.DataLoader([])).fit()
        """,
    "helpers of the file": """
        import torch
        net = torch.nn.Linear(1, 1)
        opt = torch.optim.SGD(net.parameters(), 0.1)
        def clear():
            opt.zero_grad()
        def loss_of(batch):
            x, y = batch
            return torch.nn.functional.mse_loss(net(x), y)
        def apply():
            opt.step()
        for batch in torch.utils.data.DataLoader([]):
            clear()
            loss = loss_of(batch)
            loss.backward()
            apply()
        """,
    "LBFGS closure": """
        import torch
        net = torch.nn.Linear(1, 1)
        opt = torch.optim.LBFGS(net.parameters())
        for x, y in torch.utils.data.DataLoader([]):
            def closure():
                opt.zero_grad()
                loss = torch.nn.functional.mse_loss(net(x), y)
                loss.backward()
                return loss
            opt.step(closure)
        """,
    "Accelerate": """
        import torch
        from accelerate import Accelerator
        accelerator = Accelerator()
        net = torch.nn.Linear(1, 1)
        opt = torch.optim.SGD(net.parameters(), 0.1)
        net, opt, loader = accelerator.prepare(net, opt, torch.utils.data.DataLoader([]))
        for x, y in loader:
            opt.zero_grad()
            loss = torch.nn.functional.mse_loss(net(x), y)
            accelerator.backward(loss)
            opt.step()
        """,
}


@pytest.mark.parametrize("text", STYLES.values(), ids=STYLES.keys())
def test_a_training_step_reads_the_same_in_every_style(text: str) -> None:
    assert steps(model_of(text)) == USUAL


def test_mixed_precision_shows_scaler_and_clip() -> None:
    script = model_of(
        """
        import torch
        net = torch.nn.Linear(1, 1)
        opt = torch.optim.SGD(net.parameters(), 0.1)
        scaler = torch.cuda.amp.GradScaler()
        for x, y in torch.utils.data.DataLoader([]):
            opt.zero_grad()
            with torch.autocast("cuda"):
                loss = torch.nn.functional.mse_loss(net(x), y)
            scaler.scale(loss).backward()
            scaler.unscale_(opt)
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            scaler.step(opt)
            scaler.update()
        """
    )
    assert steps(script) == [
        "zero_grad", "forward", "loss", "backward", "unscale", "clip", "step", "scaler_update",
    ]  # fmt: skip


def test_gan_steps_keep_their_networks_apart() -> None:
    script = model_of(
        """
        import torch
        G, D = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
        oG, oD = torch.optim.Adam(G.parameters()), torch.optim.Adam(D.parameters())
        for real, _ in torch.utils.data.DataLoader([]):
            oD.zero_grad()
            (D(G(real).detach()) - D(real)).mean().backward()
            oD.step()
            oG.zero_grad()
            D(G(real)).mean().backward()
            oG.step()
        """
    )
    (found,) = script.training_passes
    targets = [event.target.name for event in found.of(EventKind.ZERO_GRAD, EventKind.STEP) if event.target]
    assert targets == ["oD", "oD", "oG", "oG"]


def test_lightning_owns_the_loop_and_its_steps_are_read() -> None:
    script = model_of(
        """
        import torch
        import pytorch_lightning as pl
        class Lit(pl.LightningModule):
            def __init__(self):
                super().__init__()
                self.net = torch.nn.Linear(1, 1)
            def training_step(self, batch, idx):
                x, y = batch
                return torch.nn.functional.mse_loss(self.net(x), y)
            def validation_step(self, batch, idx):
                self.net(batch[0])
            def configure_optimizers(self):
                return torch.optim.Adam(self.parameters())
        """
    )
    assert [cls.is_lightning for cls in script.classes] == [True]
    (loss,) = script.losses
    assert loss.call.args[1].op == "batch_item"
    forwards = list(script.events_of(EventKind.FORWARD))
    assert [event.grad for event in forwards] == [True, False]


def test_modes_follow_the_model_through_functions_and_wrappers() -> None:
    script = model_of(
        """
        import torch
        def validate(m, loader):
            m.eval()
            with torch.no_grad():
                for x in loader:
                    m(x)
        net = torch.nn.DataParallel(torch.nn.Linear(1, 1))
        loader = torch.utils.data.DataLoader([])
        net(1)
        validate(net, loader)
        net.module(2)
        net.train()
        net(3)
        """
    )
    found = [(event.mode, event.grad) for event in script.events_of(EventKind.FORWARD)]
    assert found == [("train", True), ("eval", False), ("eval", True), ("train", True)]


def test_evaluation_passes_are_told_from_training_passes() -> None:
    script = model_of(
        """
        import torch
        net = torch.nn.Linear(1, 1)
        opt = torch.optim.SGD(net.parameters(), 0.1)
        def run(loader, train):
            for x, y in loader:
                loss = torch.nn.functional.mse_loss(net(x), y)
                if train:
                    opt.zero_grad()
                    loss.backward()
                    opt.step()
        for epoch in range(2):
            run(torch.utils.data.DataLoader([1]), True)
            run(torch.utils.data.DataLoader([2]), False)
        """
    )
    assert [found.trains for found in script.passes] == [True, False]
    assert all(found.outer is script.loops[0] for found in script.passes)


def test_parentless_calls_that_hide_an_optimizer_are_noted() -> None:
    script = model_of(
        """
        import torch
        from helpers import clear
        net = torch.nn.Linear(1, 1)
        opt = torch.optim.SGD(net.parameters(), 0.1)
        for x in torch.utils.data.DataLoader([]):
            clear(opt)
            net(x).sum().backward()
            opt.step()
        """
    )
    (found,) = script.training_passes
    assert [event.target.name for event in found.of(EventKind.OPAQUE) if event.target] == ["opt"]


def test_what_one_of_two_models_returns_is_judged_when_it_is_unpacked() -> None:
    script = model_of(
        """
        import torch
        from torch import nn
        from models import Decoder
        decoder = Decoder(1) if small else Decoder(2)
        optimizer = torch.optim.Adam(decoder.parameters())
        criterion = nn.CrossEntropyLoss()
        for epoch in range(9):
            for x, y in train_loader:
                scores, alphas = decoder(x)
                optimizer.zero_grad()
                criterion(scores, y).backward()
                optimizer.step()
            decoder.eval()
            for x, y in val_loader:
                scores, alphas = decoder(x)
                print(criterion(scores, y).item())
        """
    )
    assert len(list(script.evaluations)) == 1


def test_a_forward_of_one_of_two_models_has_its_moment() -> None:
    script = model_of(
        """
        import torch
        from torch import nn
        model = nn.Linear(4, 2)
        if many:
            model = nn.DataParallel(model)
        optimizer = torch.optim.Adam(model.parameters())
        for epoch in range(9):
            model.train()
            for x, y in loader:
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(x), y).backward()
                optimizer.step()
        """
    )
    (home,) = script.training_passes
    (forward,) = home.of(EventKind.FORWARD)
    assert home.frame.start < forward.time < home.of(EventKind.BACKWARD)[0].time
