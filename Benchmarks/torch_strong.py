"""A modern recipe in PyTorch, the stronger peer of `torch_learn.py`.

Rotary positions, RMS norm, QK-norm, squared ReLU, output projections that begin at zero, capped logits; Muon for the matrices of the blocks, AdamW with a rate for
the embedding and one for the head; all rates are constant and then fall to zero.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F


def normalized(x):
    return F.rms_norm(x, (x.size(-1),))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.output = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.up, self.down = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.down.weight)

    def forward(self, x, cosine, sine):
        B, T, C = x.shape
        q, k, v = (t.view(B, T, self.heads, C // self.heads).transpose(1, 2) for t in self.qkv(normalized(x)).split(C, 2))

        def rotated(t):
            a, b = normalized(t).chunk(2, -1)
            return torch.cat((a * cosine + b * sine, b * cosine - a * sine), -1).type_as(v)

        y = F.scaled_dot_product_attention(rotated(q), rotated(k), v, is_causal=True)
        x = x + self.output(y.transpose(1, 2).reshape(B, T, C))
        return x + self.down(F.relu(self.up(normalized(x))).square())


class GPT(nn.Module):
    LARGEST_LOGIT = 15

    def __init__(self, layers, heads, width, context, vocabulary):
        super().__init__()
        self.tokens, self.head = nn.Embedding(vocabulary, width), nn.Linear(width, vocabulary, bias=False)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        nn.init.zeros_(self.head.weight)
        channels = width // heads
        angles = torch.outer(torch.arange(context).float(), 10_000.0 ** (-torch.arange(0, channels, 2) / channels))
        self.register_buffer("cosine", angles.cos())
        self.register_buffer("sine", angles.sin())

    def forward(self, ids, targets):
        x = normalized(self.tokens(ids))
        for block in self.blocks:
            x = block(x, self.cosine[: ids.size(1)], self.sine[: ids.size(1)])
        logits = self.head(normalized(x)).float()
        logits = self.LARGEST_LOGIT * torch.tanh(logits / self.LARGEST_LOGIT)
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.reshape(-1))


@torch.no_grad()
def orthogonalized(x):
    """Five Newton–Schulz iterations in bf16, as in the reference implementation of Muon."""
    wide = x.bfloat16() if x.size(0) <= x.size(1) else x.bfloat16().T
    wide = wide / (wide.norm() + 1e-7)
    for _ in range(5):
        a = wide @ wide.T
        wide = 3.4445 * wide + (-4.7750 * a + 2.0315 * a @ a) @ wide
    return (wide if x.size(0) <= x.size(1) else wide.T).float()


class Muon:
    def __init__(self, matrices, momentum=0.95):
        self.matrices, self.momentum = list(matrices), momentum
        self.means = [torch.zeros_like(p) for p in self.matrices]

    @torch.no_grad()
    def step(self, rate):
        for p, mean in zip(self.matrices, self.means):
            mean.lerp_(p.grad, 1 - self.momentum)
            direction = p.grad.lerp(mean, self.momentum)
            # The weights of queries, keys and values are three matrices.
            parts = direction.chunk(3, 0) if p.size(0) == 3 * p.size(1) else (direction,)
            p.add_(torch.cat([orthogonalized(part) * max(1, part.size(0) / part.size(1)) ** 0.5 for part in parts]), alpha=-rate)


class Strong:
    """The model with its optimizers; `update` applies the gradients of a step."""

    def __init__(self, layers, heads, width, context, vocabulary, options):
        self.model = GPT(layers, heads, width, context, vocabulary)
        self.options = options
        self.reset()

    def reset(self):
        self.muon = Muon(self.model.blocks.parameters())
        groups = [dict(params=[self.model.tokens.weight]), dict(params=[self.model.head.weight])]
        self.adam = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.95), weight_decay=0.0, fused=True)

    def update(self, scale, progress):
        scale *= min(1, (1 - progress) / self.options.cooldown)
        self.muon.step(self.options.muon_lr * scale)
        for group, rate in zip(self.adam.param_groups, (self.options.embedding_lr, self.options.head_lr)):
            group["lr"] = rate * scale
        self.adam.step()
