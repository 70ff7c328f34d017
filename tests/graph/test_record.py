"""What a recorded step holds: names, places, modules, what could not be seen, what is left out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from replay import replay
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from nnlint.graph.nodes import Graph, from_json, to_json
from nnlint.graph.record import record

X = torch.randn(7, 5)
Y = torch.randn(7)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.emb = nn.Embedding(50, 16)
        self.lstm = nn.LSTM(16, 8)
        self.enc = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.bn = nn.BatchNorm1d(8)
        self.conv = nn.Conv1d(8, 4, 3, padding=1)
        self.out = nn.Linear(4 * 5, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h, _ = self.lstm(self.emb(x))
        h = self.bn(self.enc(h).transpose(1, 2))
        h = functional.dropout(self.conv(h), 0.1)  # nnlint: ignore[NNL408] always recorded
        return self.out(h.flatten(1))


def ops(graph: Graph) -> list[str]:
    return [node.op for node in graph.nodes]


def output_ops(graph: Graph) -> list[tuple[str, str]]:
    return [(output.what, graph.nodes[output.ref.node].op) for output in graph.outputs]


@pytest.mark.parametrize("train", [True, False])
def test_a_model_computed_again_from_its_graph_gives_the_same(train: bool) -> None:
    net = Net().train(train)
    x, y = torch.randint(0, 50, (7, 5)), torch.randn(7, 1)
    given = {"x": x, "y": y, **dict(net.named_parameters()), **dict(net.named_buffers())}
    given = {name: tensor.detach().clone() for name, tensor in given.items()}
    kept: list[torch.Tensor] = []

    def step() -> None:
        torch.manual_seed(3)
        prediction = net(x)
        loss = functional.mse_loss(prediction, y)
        kept.extend([prediction, loss])
        loss.backward()

    graph = record(step, {"x": x, "y": y}, [net])
    torch.manual_seed(3)
    again = replay(graph, given)
    assert [output.what for output in graph.outputs] == ["prediction", "loss"]
    for one, other in zip(again, kept, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_recording_changes_nothing_that_the_step_computes() -> None:
    x, y = torch.randint(0, 50, (7, 5)), torch.randn(7, 1)
    results = []
    for recorded in (False, True):
        torch.manual_seed(0)
        net = Net()
        opt = torch.optim.Adam(net.parameters())

        def step(net: nn.Module = net, opt: torch.optim.Optimizer = opt) -> None:
            for _ in range(2):
                opt.zero_grad()
                functional.mse_loss(net(x), y).backward()
                opt.step()

        record(step, {"x": x, "y": y}, [net]) if recorded else step()
        results.append([*(p.detach() for p in net.parameters()), *net.buffers(), torch.get_rng_state()])
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


def test_nodes_have_places_modules_and_names() -> None:
    net = Net()
    x = torch.randint(0, 50, (7, 5))
    graph = record(lambda: net(x).mean(), {"tokens": x}, [net])
    by_name = {node.name: node for node in graph.nodes}
    assert graph.batch == 7
    assert by_name["tokens"].op == "input"
    assert by_name["emb.weight"].op == "parameter"
    assert by_name["emb.weight"].module == "emb"
    assert by_name["emb.weight"].grad
    assert by_name["bn.running_mean"].op == "buffer"
    assert graph.roots[0].class_name == "Net"
    embedding = next(node for node in graph.nodes if node.op == "aten.embedding.default")
    assert (embedding.module, embedding.root, embedding.training) == ("emb", 0, True)
    assert embedding.place is not None
    assert embedding.place.filename == __file__
    dropout = [node for node in graph.nodes if node.op.startswith("aten.bernoulli") and node.module == ""]
    assert [node.root for node in dropout] == [0]
    mean = graph.nodes[graph.outputs[-1].ref.node]
    assert (mean.op, mean.root, mean.module) == ("aten.mean.default", -1, "")


def test_a_graph_survives_json() -> None:
    graph = record(lambda: (X * float("inf")).masked_fill(X > 0, -torch.inf).sum(), {"x": X})
    assert from_json(to_json(graph)) == graph


def test_the_backward_pass_the_step_and_clipping_are_left_out() -> None:
    net = nn.Linear(5, 1)
    opt = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)

    def step() -> None:
        opt.zero_grad()
        functional.mse_loss(net(X).squeeze(1), Y).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()

    graph = record(step, {"x": X, "y": Y}, [net])
    assert ops(graph) == [
        "input", "input", "parameter", "aten.t.default", "parameter", "aten.addmm.default",
        "aten.squeeze.dim", "aten.mse_loss.default",
    ]  # fmt: skip


def test_a_closure_within_the_step_is_recorded() -> None:
    net = nn.Linear(5, 1)
    opt = torch.optim.LBFGS(net.parameters(), max_iter=2)

    def closure() -> torch.Tensor:
        opt.zero_grad()
        loss = functional.mse_loss(net(X).squeeze(1), Y)
        loss.backward()
        return loss

    graph = record(lambda: opt.step(closure), {"x": X, "y": Y}, [net])
    assert output_ops(graph)[:2] == [
        ("prediction", "aten.addmm.default"),
        ("loss", "aten.mse_loss.default"),
    ]
    assert not graph.unseen


def test_gradients_that_are_asked_for_have_a_loss_and_a_penalty_is_a_part_of_one() -> None:
    net = nn.Linear(5, 1)
    # As a script has it that was imported before anything was recorded.
    grad = torch.autograd.grad
    parameters = list(net.parameters())

    def by_hand() -> None:
        gradients = grad((net(X) ** 2).mean(), parameters)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter -= 0.1 * gradient

    def penalised() -> None:
        mixed = torch.randn(7, 5, requires_grad=True)
        (slope,) = grad(net(mixed).sum(), mixed, create_graph=True)
        (net(X).mean() + (slope.norm(dim=1) - 1).square().mean()).backward()

    def inner_step() -> None:
        inner = grad((net(X) ** 2).mean(), parameters, create_graph=True)
        (X @ (parameters[0] - 0.1 * inner[0]).t()).mean().backward()

    losses = {step: record(step, {"x": X}, [net]) for step in (by_hand, penalised, inner_step)}
    named = {step: [op for what, op in output_ops(graph) if what == "loss"] for step, graph in losses.items()}
    assert named[by_hand] == ["aten.mean.default"]
    # What a backward pass does is left out, and where gradients come from is not said.
    done = ops(losses[by_hand])
    assert set(done[done.index("aten.mean.default") + 1 :]) <= {"aten.ones_like.default", "unseen"}
    assert losses[by_hand].unseen == ()
    assert named[penalised] == ["aten.add.Tensor"]
    assert named[inner_step] == ["aten.mean.default", "aten.mean.default"]


def test_several_networks_and_losses_in_one_iteration() -> None:
    generator, discriminator = nn.Linear(3, 5), nn.Linear(5, 1)
    opts = [torch.optim.SGD(net.parameters(), 0.1) for net in (generator, discriminator)]

    def step() -> None:
        fake = generator(torch.randn(7, 3))
        real_loss = functional.binary_cross_entropy_with_logits(discriminator(X), torch.ones(7, 1))
        fake_loss = functional.binary_cross_entropy_with_logits(
            discriminator(fake.detach()), torch.zeros(7, 1)
        )
        (real_loss + fake_loss).backward()
        opts[1].step()
        functional.binary_cross_entropy_with_logits(discriminator(fake), torch.ones(7, 1)).backward()
        opts[0].step()

    graph = record(step, {"x": X})
    assert [root.class_name for root in graph.roots] == ["Linear", "Linear"]
    assert [output.root for output in graph.outputs] == [0, 1, 1, -1, 1, -1]
    # The discriminator's weight is one node, although it was updated in between.
    assert [node.name for node in graph.nodes if node.op == "parameter"].count("weight") == 2
    detached = next(node for node in graph.nodes if node.op == "aten.detach.default")
    assert not detached.grad


@pytest.mark.parametrize("reentrant", [False, True])
def test_a_checkpoint_is_recorded_once(reentrant: bool) -> None:
    net = nn.Linear(5, 1)
    x = X.clone().requires_grad_()

    def step() -> None:
        checkpoint(net, x, use_reentrant=reentrant).sum().backward()

    assert ops(record(step, {"x": x}, [net])).count("aten.addmm.default") == 1


def test_an_update_by_hand_leaves_the_parameter_what_it_is() -> None:
    net = nn.Linear(5, 1)

    def step() -> None:
        net(X).sum().backward()
        with torch.no_grad():
            for parameter in net.parameters():
                parameter -= 0.1 * parameter.grad
        net(X)

    graph = record(step, {"x": X}, [net])
    first, last = (node for node in graph.nodes if node.op == "aten.addmm.default")
    assert first.arguments["self"] == last.arguments["self"]


def test_composites_are_taken_apart_in_inference_mode_too() -> None:
    net = nn.Linear(5, 1)

    def step() -> torch.Tensor:
        with torch.inference_mode():
            return net(X)

    assert "aten.addmm.default" in ops(record(step, {"x": X}, [net]))


def test_compiled_scripted_and_mapped_functions_are_seen() -> None:
    net = nn.Linear(5, 1)
    compiled = torch.compile(net, fullgraph=True)
    for step in (
        lambda: compiled(X).sum(),
        lambda: torch.vmap(net)(X).sum(),
        lambda: torch.func.grad(lambda x: (net(x) ** 2).sum())(X).sum(),
    ):
        graph = record(step, {"x": X}, [net])
        assert "unseen" not in ops(graph)
        assert {"aten.addmm.default", "aten.mm.default"} & set(ops(graph)) or "aten.mul.Tensor" in ops(graph)


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, x: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(x.detach().numpy() * 2)

    @staticmethod
    def backward(_: Any, grad: torch.Tensor) -> torch.Tensor:
        return grad * 2


def test_what_goes_through_numpy_is_unseen_and_said() -> None:
    graph = record(lambda: Doubled.apply(X).sum(), {"x": X})
    assert "unseen" in ops(graph)
    assert graph.unseen == ("a tensor of shape [7, 5] is not made by operators",)


class Numpy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.from_dlpack(x.numpy().mean(keepdims=True))


def test_a_module_whose_output_comes_from_nowhere_is_unseen() -> None:
    graph = record(lambda: Numpy()(X) + 1, {"x": X})
    node = next(node for node in graph.nodes if node.op == "unseen")
    assert node.shapes == ((1, 1),)
    assert [graph.nodes[ref.node].op for ref in node.arguments.values()] == ["input"]
    assert graph.unseen == ("what Numpy returns is not made by operators that can be seen",)


def test_nested_tensors_are_unseen() -> None:
    def step() -> torch.Tensor:
        nested = torch.nested.nested_tensor([X[0], X[1][:3]], layout=torch.jagged)
        return (nested * 2).values().sum()

    graph = record(step, {"x": X})
    assert graph.unseen == ("nested tensors have no shape that could be followed",)
    assert from_json(to_json(graph)) == graph


def test_functions_as_arguments_are_said() -> None:
    def step() -> torch.Tensor:
        return torch.cond(X.sum() > 0, lambda x: x + 1, lambda x: x - 1, (X,)).sum()

    graph = record(step, {"x": X})
    assert output_ops(graph) == [("loss", "aten.sum.default")]


def test_a_parameter_that_no_module_has_is_still_a_parameter() -> None:
    class Hidden(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(5, 5)
            self.others = [nn.Linear(5, 5)]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.others[0](self.first(x))

    net = Hidden()
    graph = record(lambda: net(X).sum(), {"x": X}, [net])
    parameters = [(node.name, node.module, node.root) for node in graph.nodes if node.op == "parameter"]
    assert parameters == [
        ("first.weight", "first", 0),
        ("first.bias", "first", 0),
        ("parameter", "Linear", -1),
        ("parameter_1", "Linear", -1),
    ]


def test_what_a_model_returns_is_named_by_its_way_there() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(5, 2)

        def forward(self, x: torch.Tensor) -> dict[str, Any]:
            return {"logits": self.layer(x), "hidden": [x]}

    net = Two()
    graph = record(lambda: net(X)["logits"].sum(), {"x": X}, [net])
    assert [output.name for output in graph.outputs] == [".logits", ".hidden[0]", ""]


def test_the_number_of_samples_is_what_all_inputs_begin_with() -> None:
    assert record(lambda: X.sum() + Y.sum(), {"x": X, "y": Y}).batch == 7
    assert record(lambda: X.sum(), {"x": X, "edges": torch.zeros(2, 9)}).batch == 0


def test_a_constant_of_one_element_has_its_value() -> None:
    scale = torch.tensor(8.0)
    graph = record(lambda: (X / scale).sum(), {"x": X})
    assert [node.arguments for node in graph.nodes if node.op == "constant"] == [{"value": 8.0}]


def test_the_new_statistics_of_batch_norm_are_outputs_after_those_of_its_schema() -> None:
    mean, var = torch.zeros(5), torch.ones(5)

    def step() -> torch.Tensor:
        out = torch.ops.aten._native_batch_norm_legit(X, None, None, mean, var, True, 0.1, 1e-5)
        return out[0].sum() + mean.sum()

    graph = record(step, {"x": X})
    norm = next(node for node in graph.nodes if "batch_norm" in node.op)
    assert norm.shapes == ((7, 5), (5,), (5,), (5,), (5,))
    total = graph.nodes[graph.outputs[0].ref.node]
    assert graph.nodes[total.arguments["other"].node].arguments["self"].output == 3


def test_memory_that_no_operator_filled_is_unseen() -> None:
    graph = record(lambda: (torch.empty_like(X) + 1).sum(), {"x": X})
    assert graph.unseen == ("memory is filled by something that is not an operator",)


def test_memory_that_is_filled_by_operators_is_seen() -> None:
    def step() -> torch.Tensor:
        out = torch.empty(7, 5)
        out[:, :2] = X[:, :2]
        out[:, 2:].copy_(X[:, 2:])
        return torch.empty_like(out).normal_().sum() + out.sum()

    assert not record(step, {"x": X}).unseen


def test_a_tensor_whose_address_is_taken_is_unseen_from_then_on() -> None:
    x = X.clone()

    def step() -> torch.Tensor:
        y = x * 2
        y.data_ptr()
        return y.sum()

    graph = record(step, {"x": x})
    total = graph.nodes[graph.outputs[0].ref.node]
    source = graph.nodes[total.arguments["self"].node]
    assert source.op == "unseen"
    assert [graph.nodes[ref.node].op for ref in source.arguments.values()] == ["aten.mul.Tensor"]


def test_numbers_that_come_back_from_python_may_depend_on_what_left() -> None:
    def step() -> torch.Tensor:
        order = torch.tensor(sorted(Y.tolist()))
        return (order * torch.tensor(2.0)).sum()

    graph = record(step, {"y": Y})
    assert [node.op for node in graph.nodes][:2] == ["input", "unseen"]
    # A single number is taken for one that the code holds.
    assert "constant" in ops(graph)
