"""Networks for graphs."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from .everyday_net import Drawn, everyday

NODES, WORDS, TOPICS = 256, 400, 5


def citations(generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Return papers as word frequencies that sum to one, their links ``(2, edges)`` in both directions, and topics."""
    topics = torch.randint(TOPICS, (NODES,), generator=generator)
    fixed = Generator().manual_seed(21)
    usual = torch.rand(TOPICS, WORDS, generator=fixed) < 0.08
    chance = torch.where(usual[topics], 0.25, 0.02)
    words = (torch.rand(NODES, WORDS, generator=generator) < chance).float()
    alike = topics[:, None] == topics
    linked = torch.rand(NODES, NODES, generator=generator) < torch.where(alike, 0.05, 0.004)
    linked = (linked | linked.T).fill_diagonal_(False)
    return words / words.sum(1, keepdim=True).clamp(min=1), linked.nonzero().T, topics


def topic_of_some(topics: Tensor, share: float = 0.5) -> Tensor:
    """Return the topics as labels, known for a share of the papers only."""
    return torch.arange(len(topics)) < share * len(topics)


class GCNConv(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        return torch.sparse.mm(adjacency, x @ self.weight) + self.bias


class GCN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gc1, self.gc2 = GCNConv(WORDS, 32), GCNConv(32, TOPICS)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        loops = torch.arange(len(x)).expand(2, -1)
        index = torch.cat([edges, loops], 1)
        degree = torch.bincount(index[0], minlength=len(x)).float().rsqrt()
        adjacency = torch.sparse_coo_tensor(index, degree[index[0]] * degree[index[1]], (len(x), len(x)))
        x = F.dropout(F.relu(self.gc1(x, adjacency)), 0.5, self.training)
        return F.log_softmax(self.gc2(x, adjacency), dim=1)


def sparse_topics(generator: Generator) -> Drawn:
    words, edges, topics = citations(generator)
    known = topic_of_some(topics)
    return (words, edges), lambda output: F.nll_loss(output[known], topics[known])


class GraphAttention(nn.Module):
    def __init__(self, inputs: int, outputs: int, concat: bool) -> None:
        super().__init__()
        self.W = nn.Parameter(torch.empty(inputs, outputs))
        nn.init.xavier_uniform_(self.W.data, gain=1.414)
        self.a = nn.Parameter(torch.empty(2 * outputs, 1))
        nn.init.xavier_uniform_(self.a.data, gain=1.414)
        self.concat, self.outputs = concat, outputs

    def forward(self, h: Tensor, adjacency: Tensor) -> Tensor:
        wh = torch.mm(h, self.W)
        e = F.leaky_relu(wh @ self.a[: self.outputs] + (wh @ self.a[self.outputs :]).T, 0.2)
        attention = F.softmax(torch.where(adjacency > 0, e, torch.full_like(e, -9e15)), dim=1)
        out = torch.matmul(F.dropout(attention, 0.6, training=self.training), wh)
        return F.elu(out) if self.concat else out


class GAT(nn.Module):
    def __init__(self, heads: int = 8, width: int = 8) -> None:
        super().__init__()
        self.attentions = nn.ModuleList(GraphAttention(WORDS, width, True) for _ in range(heads))
        self.out_att = GraphAttention(heads * width, TOPICS, False)

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        x = F.dropout(x, 0.6, training=self.training)
        x = F.dropout(torch.cat([att(x, adjacency) for att in self.attentions], dim=1), 0.6, training=self.training)
        return F.log_softmax(F.elu(self.out_att(x, adjacency)), dim=1)


def dense_topics(generator: Generator) -> Drawn:
    words, edges, topics = citations(generator)
    known = topic_of_some(topics)
    adjacency = torch.eye(NODES)
    adjacency[edges[0], edges[1]] = 1
    return {"x": words, "adjacency": adjacency}, lambda output: F.nll_loss(output[known], topics[known])


def mean_of_neighbors(x: Tensor, edges: Tensor) -> Tensor:
    total = torch.zeros_like(x).index_add_(0, edges[1], x[edges[0]])
    count = torch.bincount(edges[1], minlength=len(x)).clamp(min=1)
    return total / count[:, None]


class GraphSAGE(nn.Module):
    def __init__(self, widths: tuple[int, ...] = (64, 64, 64, TOPICS)) -> None:
        super().__init__()
        pairs = list(pairwise(widths))
        self.lin_l = nn.ModuleList(nn.Linear(a, b) for a, b in pairs)
        self.lin_r = nn.ModuleList(nn.Linear(a, b, bias=False) for a, b in pairs)
        self.norms = nn.ModuleList(nn.BatchNorm1d(b) for _, b in pairs[:-1])

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        for i, (left, right) in enumerate(zip(self.lin_l, self.lin_r, strict=True)):
            x = left(mean_of_neighbors(x, edges)) + right(x)
            if i < len(self.norms):
                x = F.dropout(self.norms[i](x).relu_(), p=0.3, training=self.training)
        return x


def embedded_topics(generator: Generator) -> Drawn:
    """The features are standardized, like those of another network."""
    words, edges, topics = citations(generator)
    fixed = Generator().manual_seed(22)
    features = words @ torch.randn(WORDS, 64, generator=fixed)
    features = (features - features.mean(0)) / features.std(0)
    return (features, edges), lambda output: F.cross_entropy(output, topics)


NETS = (
    everyday("gcn", "graph convolution", GCN, sparse_topics),
    everyday("gat", "graph attention", GAT, dense_topics),
    everyday("graphsage", "GraphSAGE", GraphSAGE, embedded_topics),
)
