"""Small models of every kind, losses on them, and what float64 autograd says of their gradients."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from jointset.weighting import GramianWeighting, Step, backward

B, K = 24, 4


class Given(GramianWeighting):
    """Weights that a test chooses."""

    def __init__(self, weights=None):
        self.weights = weights

    def init(self, tasks):
        return {}

    def weigh(self, gramian, losses, tasks, state):
        return torch.arange(1, len(tasks) + 1).to(
            gramian
        ) / 2 if self.weights is None else self.weights, state


class ResNet(nn.Module):
    def __init__(self, norm=nn.BatchNorm2d):
        super().__init__()
        self.first = nn.Conv2d(2, 6, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(norm(6) for _ in range(3))
        self.body = nn.ModuleList(nn.Conv2d(6, 6, 3, padding=1, groups=g) for g in (1, 2))
        self.out = nn.Linear(12, 8)

    def forward(self, x):
        x = torch.relu(self.norms[0](self.first(x)))
        y = torch.relu(self.norms[1](self.body[0](x)))
        x = torch.relu(x + self.norms[2](self.body[1](y)))
        return self.out(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1))


class Signal(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(3, 5, 3, stride=2)
        self.out = nn.Linear(5, 8)

    def forward(self, x):
        return self.out(F.max_pool1d(torch.tanh(self.conv(x)), 2).mean(-1))


class Transformer(nn.Module):
    def __init__(self, sparse=False):
        super().__init__()
        self.words = nn.Embedding(30, 8, padding_idx=0, sparse=sparse)
        self.places = nn.Parameter(0.1 * torch.randn(1, 6, 8))
        layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.scale = nn.Parameter(torch.ones(8) + 0.1 * torch.randn(8))

    def forward(self, ids):
        return (self.layers(self.words(ids) + self.places) * self.scale)[:, 0]


class Bags(nn.Module):
    def __init__(self, mode="sum", padding=None, sparse=True):
        super().__init__()
        self.bag = nn.EmbeddingBag(40, 6, mode=mode, padding_idx=padding, sparse=sparse)
        self.out = nn.Linear(6, 8)

    def forward(self, ids):
        return self.out(self.bag(ids))


class Twice(nn.Module):
    """One layer used twice, one shared by two branches, one frozen, one without a bias."""

    def __init__(self):
        super().__init__()
        self.again, self.out = nn.Linear(10, 10), nn.Linear(10, 8, bias=False)
        self.frozen = nn.Linear(10, 10).requires_grad_(False)

    def forward(self, x):
        y = torch.relu(self.again(self.frozen(torch.relu(self.again(x)))))
        return self.out(y) + 0.5 * self.out(x)


class Strange(nn.Module):
    """A weight that no layer is made of."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(10, 8))

    def forward(self, x):
        return torch.einsum(
            "bi,io->bo", x, torch.linalg.matrix_exp(self.weight @ self.weight.T * 0.1) @ self.weight
        )


def mlp():
    return nn.Sequential(
        nn.Linear(10, 12), nn.ReLU(), nn.Linear(12, 9), nn.LayerNorm(9), nn.GELU(), nn.Linear(9, 8)
    )


def wide():
    """Fewer rows than features: products of rows are cheaper than gradients."""
    return nn.Sequential(nn.Linear(10, 70), nn.ReLU(), nn.Linear(70, 90), nn.Tanh(), nn.Linear(90, 8))


def numbers():
    return torch.randn(B, 10)


def words():
    return torch.randint(0, 30, (B, 6))


MODELS = {
    "mlp": (mlp, numbers),
    "wide": (wide, numbers),
    "sequence": (lambda: nn.Sequential(mlp(), nn.Flatten(), nn.Linear(24, 8)), lambda: torch.randn(B, 3, 10)),
    "resnet": (ResNet, lambda: torch.randn(B, 2, 6, 6)),
    "groupnorm": (lambda: ResNet(lambda c: nn.GroupNorm(2, c)), lambda: torch.randn(B, 2, 6, 6)),
    "signal": (Signal, lambda: torch.randn(B, 3, 17)),
    "transformer": (Transformer, words),
    "sparse embedding": (lambda: Transformer(sparse=True), words),
    "bag": (Bags, lambda: torch.randint(0, 40, (B, 5))),
    "mean of a bag": (lambda: Bags("mean", 3), lambda: torch.randint(0, 40, (B, 5))),
    "dense bag": (lambda: Bags("sum", 3, sparse=False), lambda: torch.randint(0, 40, (B, 5))),
    "twice": (Twice, numbers),
    "strange": (Strange, numbers),
}


class Case:
    """A trunk, heads of K tasks and a batch; ``rows[k]`` says which rows task k is labelled on."""

    def __init__(self, name="mlp", seed=0, rows=None, tasks=K):
        torch.manual_seed(seed)
        make, data = MODELS[name]
        self.trunk, self.heads = make(), nn.ModuleList(nn.Linear(8, 3) for _ in range(tasks))
        self.x, self.y = data(), torch.randint(0, 3, (tasks, B))
        self.rows = torch.ones(tasks, B, dtype=torch.bool) if rows is None else rows

    def losses(self, trunk=None, heads=None, x=None) -> dict[str, Tensor]:
        z = (trunk or self.trunk)(self.x if x is None else x)
        losses = {}
        for k, head in enumerate(heads or self.heads):
            every = F.cross_entropy(head(z), self.y[k], reduction="none")
            losses[f"t{k}"] = (every * self.rows[k]).sum() / self.rows[k].sum()
        return losses

    def reference(self) -> tuple[Tensor, list[Tensor]]:
        """Task gradients (K, P) over the trunk's parameters, and the heads' gradients, in float64."""
        trunk, heads = copy.deepcopy(self.trunk).double(), copy.deepcopy(self.heads).double()
        losses = self.losses(trunk, heads, self.x.double() if self.x.is_floating_point() else self.x)
        rows = [flat(grads(loss, learnt(trunk)), learnt(trunk)) for loss in losses.values()]
        return torch.stack(rows), grads(sum(losses.values()), list(heads.parameters()))

    def step(self, losses=None, weighting=None, **options) -> Step:
        """One backward, from gradients of nothing."""
        for p in [*self.trunk.parameters(), *self.heads.parameters()]:
            p.grad = None
        losses = self.losses() if losses is None else losses
        return backward(losses, **{"weighting": weighting or Given(), "shared": self.trunk, **options})

    def found(self) -> Tensor:
        """The trunk's gradient (P,)."""
        return flat([p.grad for p in learnt(self.trunk)], learnt(self.trunk)).double()


def learnt(module) -> list[Tensor]:
    return [p for p in module.parameters() if p.requires_grad]


def grads(loss, parameters):
    return list(torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True))


def flat(gradients, parameters) -> Tensor:
    parts = [
        torch.zeros_like(p) if g is None else g.to_dense() if g.is_sparse else g
        for g, p in zip(gradients, parameters, strict=True)
    ]
    return torch.cat([p.detach().reshape(-1) for p in parts])


def disjoint(tasks=K) -> Tensor:
    """Every row for one task (or, the last two, for none)."""
    rows = torch.zeros(tasks, B, dtype=torch.bool)
    rows[torch.arange(B - 2) % tasks, torch.arange(B - 2)] = True
    return rows


def paired(tasks=6) -> Tensor:
    """Two tasks on each row."""
    rows = torch.zeros(tasks, B, dtype=torch.bool)
    for row in range(B):
        rows[[row % tasks, (row + 1) % tasks], row] = True
    return rows


def error(found, wanted) -> float:
    """Relative to the length of what is wanted."""
    return float((found.double() - wanted).norm() / wanted.norm())


def jacobian_of(losses, parameters) -> Tensor:
    """The gradients of several losses (k, P) by autograd, one after the other."""
    return torch.stack([flat(grads(loss, parameters), parameters) for loss in losses])
