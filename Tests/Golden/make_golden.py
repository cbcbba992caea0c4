"""Writes reference results of PyTorch to operations.safetensors, gpt.safetensors and preferences.safetensors beside this file.

    python Tests/Golden/make_golden.py            # needs torch and numpy; the same files on every run
    python Tests/Golden/make_golden.py --check    # writes nothing; compares the files with PyTorch's results

Computes in f64, from inputs that are exact in f32, and stores f32, so that differences are rounding errors of slm only.
Tensors are named "case/tensor". For every operation the loss is ⟨y, r⟩ with a random r. The file contains r and the
gradient of each input x, as dx.
"""
import json
import struct
import sys
from pathlib import Path

import numpy
import torch
import torch.nn.functional as F

HERE = Path(__file__).parent
IGNORED = -100  # PyTorch's ignore_index; slm ignores every negative target
generator = torch.Generator().manual_seed(1337)


# Inputs: f64 tensors of numbers that are exact in f32, or i32 ids.

def exact(x):
    return x.float().double()


def normal(*shape, deviation=0.5, mean=0.0):
    return exact(mean + deviation * torch.randn(shape, generator=generator, dtype=torch.float64))


def positive(*shape):
    return exact(0.25 + 2 * torch.rand(shape, generator=generator, dtype=torch.float64))


def nonzero(*shape):
    sign = torch.randint(2, shape, generator=generator) * 2 - 1
    return exact(sign * positive(*shape))


def distinct(*shape):
    """Distinct numbers that are exact in bf16, so that rounding does not change the maximum."""
    count = torch.Size(shape).numel()
    return (torch.randperm(count, generator=generator) - count // 2).double().reshape(shape) / 64


def ids(*shape, below):
    return torch.randint(below, shape, generator=generator, dtype=torch.int32)


def some_ignored(targets):
    keep = torch.rand(targets.shape, generator=generator) > 0.3
    return torch.where(keep, targets, IGNORED).int()


def array(tensor):
    return tensor.detach().numpy().astype("<i4" if tensor.dtype == torch.int32 else "<f4")


def write(name, tensors):
    """safetensors: the header's length in 8 bytes, the header as JSON, the numbers."""
    header, parts, at = {"__metadata__": {"torch": torch.__version__, "gpt seed": str(SEED)}}, [], 0
    for key, tensor in tensors.items():
        x = array(tensor)
        assert numpy.isfinite(x).all(), f"{key} is not finite"
        header[key] = {"dtype": "I32" if x.dtype.kind == "i" else "F32", "shape": list(x.shape), "data_offsets": [at, at + x.nbytes]}
        parts.append(x.tobytes())
        at += x.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    (HERE / name).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))
    print(f"{name}: {len(tensors)} tensors, {8 + len(text) + at:,} bytes")


def check(name, tensors):
    """Another CPU or PyTorch version may round f64 differently, which can change the last bit of an f32."""
    stored = (HERE / name).read_bytes()
    start = 8 + struct.unpack("<Q", stored[:8])[0]
    header = json.loads(stored[8:start])
    del header["__metadata__"]
    wrong = sorted(header.keys() ^ tensors.keys())
    for key in header.keys() & tensors.keys():
        x, entry = array(tensors[key]), header[key]
        begin, end = entry["data_offsets"]
        found = numpy.frombuffer(stored[start + begin : start + end], x.dtype)
        same = entry["shape"] == list(x.shape) and numpy.allclose(found, x.ravel(), rtol=1e-6, atol=1e-6 * abs(x).max())
        wrong += [] if same else [key]
    print(f"{name}: {len(header)} tensors, {len(wrong)} of them differ from PyTorch {torch.__version__}", *wrong, sep="\n    ")
    return not wrong


def clear_of_zero(draw):
    """Inputs of a linear layer whose results keep their sign in bf16: ReLU has different slopes on both sides of 0."""
    while F.linear(**(inputs := draw())).abs().min() < 0.02:
        pass
    return inputs


# Every operation of the tape.

operations = {}


def case(name, function, **inputs):
    leaves = {key: x.clone().requires_grad_(x.is_floating_point()) for key, x in inputs.items()}
    y = function(**leaves)
    r = normal(*y.shape, deviation=1)
    (y * r).sum().backward()
    assert f"{name}/y" not in operations, f"two cases are named {name}"
    for key, x in leaves.items():
        operations[f"{name}/{key}"] = x
        if x.is_floating_point():
            operations[f"{name}/d{key}"] = x.grad
    operations[f"{name}/y"], operations[f"{name}/r"] = y, r


FUNCTIONS = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "reluSquared": lambda x: torch.relu(x) ** 2,
    "gelu": lambda x: F.gelu(x, approximate="tanh"),
    "exactGELU": F.gelu,
}
BROADCASTS = {  # pairs of shapes
    "alike": ((3, 17), (3, 17)),
    "a row": ((3, 17), (17,)),
    "a column": ((33, 5), (33, 1)),
    "a number": ((3, 17), ()),
    "both ways": ((3, 1), (1, 17)),
    "four axes": ((2, 3, 1, 5), (3, 7, 1)),
}


def products():
    case("matmul", lambda a, b: a @ b, a=normal(17, 33), b=normal(33, 65))
    case("matmul of vectors", lambda a, b: a @ b, a=normal(1, 3), b=normal(3, 1))
    case("matmul of columns, both transposed", lambda a, b: a.mT @ b.mT, a=normal(3, 1), b=normal(1, 3))
    case("matmul of a column and a row", lambda a, b: a @ b, a=normal(3, 1), b=normal(1, 5))
    case("matmul, a transposed", lambda a, b: a.mT @ b, a=normal(33, 17), b=normal(33, 9))
    case("matmul, b transposed", lambda a, b: a @ b.mT, a=normal(17, 33), b=normal(9, 33))
    case("matmul, both transposed", lambda a, b: a.mT @ b.mT, a=normal(33, 17), b=normal(9, 33))
    case("matmul along 1025", lambda a, b: a @ b, a=normal(3, 1025), b=normal(1025, 3))
    case("matmul batched", lambda a, b: a @ b, a=normal(3, 17, 5), b=normal(3, 5, 33))
    case("matmul batched twice, b transposed", lambda a, b: a @ b.mT, a=normal(2, 3, 17, 5), b=normal(2, 3, 9, 5))
    case("matmul, one b for all", lambda a, b: a @ b, a=normal(3, 17, 5), b=normal(5, 33))
    case("matmul, one a for all", lambda a, b: a @ b, a=normal(17, 5), b=normal(2, 3, 5, 9))
    case("matmul stretched both ways", lambda a, b: a @ b, a=normal(1, 3, 5, 7), b=normal(2, 1, 7, 9))

    case("linear", F.linear, input=normal(2, 17, 33), weight=normal(17, 33))
    case("linear of one row", F.linear, input=normal(33), weight=normal(3, 33), bias=normal(3))
    case("linear with bias", F.linear, input=normal(2, 3, 17), weight=normal(33, 17), bias=normal(33))
    for name, f in FUNCTIONS.items():
        case(f"linear then {name}", lambda input, weight, bias: f(F.linear(input, weight, bias)),
             **clear_of_zero(lambda: dict(input=normal(5, 33), weight=normal(17, 33), bias=normal(17))))
    case("linear plus", lambda input, weight, plus: F.linear(input, weight) + plus,
         input=normal(2, 3, 17), weight=normal(33, 17), plus=normal(2, 3, 33))
    case("linear with bias, plus", lambda input, weight, bias, plus: F.linear(input, weight, bias) + plus,
         input=normal(17, 33), weight=normal(33, 33), bias=normal(33), plus=normal(17, 33))
    case("linear then gelu, plus", lambda input, weight, bias, plus: F.gelu(F.linear(input, weight, bias), approximate="tanh") + plus,
         input=normal(17, 3), weight=normal(33, 3), bias=normal(33), plus=normal(17, 33))


def elements():
    for name, (left, right) in BROADCASTS.items():
        case(f"add {name}", torch.add, input=normal(*left), other=normal(*right))
        case(f"subtract {name}", torch.sub, input=normal(*left), other=normal(*right))
        case(f"multiply {name}", torch.mul, input=normal(*left), other=normal(*right))
        case(f"divide {name}", torch.div, input=normal(*left), other=nonzero(*right))
    case("subtract a larger one", torch.sub, input=normal(17), other=normal(3, 17))
    case("divide by a larger one", torch.div, input=normal(1), other=nonzero(3, 17))
    case("scale", lambda x: 1.75 * x, x=normal(3, 17))
    for name, f in FUNCTIONS.items():
        case(name, f, x=normal(3, 65, deviation=2))
    case("exp", torch.exp, x=normal(3, 65, deviation=1))
    case("log", torch.log, x=positive(3, 65))
    case("sqrt", torch.sqrt, x=positive(3, 65))


def reductions():
    case("sum", torch.sum, input=normal(3, 17, 5))
    case("mean", torch.mean, input=normal(3, 17, 5))
    for axis in range(3):
        case(f"sum along {axis}", lambda x: x.sum(axis, keepdim=True), x=normal(3, 17, 5))
        case(f"mean along {axis}", lambda x: x.mean(axis, keepdim=True), x=normal(3, 17, 5))
        case(f"max along {axis}", lambda x: x.max(axis, keepdim=True).values, x=distinct(3, 17, 5))
    case("sum of columns", lambda x: x.sum(0, keepdim=True), x=normal(65, 17))
    case("sum of rows", lambda x: x.sum(-1, keepdim=True), x=normal(17, 65))
    for C, rows in [(1, (3,)), (33, (17,)), (65, (2, 3))]:
        case(f"softmax of {C}", lambda x: x.softmax(-1), x=normal(*rows, C, deviation=2))
        case(f"logSoftmax of {C}", lambda x: x.log_softmax(-1), x=normal(*rows, C, deviation=2))


def norms():
    for C, rows in [(1, (5,)), (3, (33,)), (17, (5,)), (65, (2, 3))]:
        # C = 3: rounding to bf16 would change the variance, so the numbers are exact. C = 1: there is no variance, and the usual ε
        # would amplify rounding errors 316 times.
        x = 4 * distinct(*rows, C) if C == 3 else normal(*rows, C, deviation=2, mean=1)
        eps, weight, bias = 16.0 if C == 1 else 1e-5, normal(C, mean=1), normal(C)
        case(f"layerNorm of {C}", lambda x, weight, bias: F.layer_norm(x, (C,), weight, bias, eps), x=x, weight=weight, bias=bias)
        case(f"layerNorm of {C} without bias", lambda x, weight: F.layer_norm(x, (C,), weight, eps=eps), x=x, weight=weight)
        case(f"rmsNorm of {C}", lambda x, weight: F.rms_norm(x, (C,), weight, eps), x=x, weight=weight)


def lookups_and_views():
    repeated = torch.tensor([[3, 0, 3, 16, 3], [1, 0, 9, 3, 3], [2, 2, 2, 2, 16]], dtype=torch.int32)
    case("embed", lambda ids, table: table[ids], ids=repeated, table=normal(17, 33))
    case("embed with positions", lambda ids, table, positions: table[ids] + positions[:5],
         ids=repeated, table=normal(17, 33), positions=normal(7, 33))
    case("gather", lambda ids, x: x[ids], ids=ids(9, below=17), x=normal(17, 5))
    for axis, (a, b, c) in enumerate([((1, 3, 5), (2, 3, 5), (3, 3, 5)), ((3, 1, 5), (3, 17, 5), (3, 2, 5)), ((2, 3, 33), (2, 3, 1), (2, 3, 3))]):
        case(f"concat along {axis}", lambda a, b, c: torch.cat([a, b, c], axis), a=normal(*a), b=normal(*b), c=normal(*c))
    case("slice along 0", lambda x: x[1:3], x=normal(3, 5, 17))
    case("slice along 1", lambda x: x[:, 2:3], x=normal(3, 5, 17))
    case("slice along 2", lambda x: x[..., 4:17], x=normal(3, 5, 17))
    case("transpose", lambda x: x.mT, x=normal(17, 33))
    case("transpose 0 and 2", lambda x: x.transpose(0, 2), x=normal(2, 3, 5, 7))
    case("reshape", lambda x: x.reshape(6, 5), x=normal(2, 3, 5))
    case("reshape of a transpose", lambda x: x.transpose(0, 1).reshape(-1, 3), x=normal(3, 17, 5))


def attention_mask(T, documents=None):
    """[.., T, T]: position t sees first ... t, where first is the start of its document."""
    positions = torch.arange(T)
    causal = positions[None, :] <= positions[:, None]
    return causal if documents is None else causal & (positions >= documents[..., None])[:, None]


def soft_capped(x, cap):
    return cap * torch.tanh(x / cap)


def attention(qkv, heads, documents=None, cap=None):
    B, T, C = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
    q, k, v = (part.reshape(B, T, heads, C // heads).transpose(1, 2) for part in qkv.split(C, dim=-1))
    if cap is None:
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=attention_mask(T, documents))
    else:
        scores = soft_capped(q @ k.mT / (C // heads) ** 0.5, cap)
        y = scores.masked_fill(~attention_mask(T, documents), -torch.inf).softmax(-1) @ v
    return y.transpose(1, 2).reshape(B, T, C)


def starts(*rows):
    """Lengths of documents → for every position the start of its document."""
    return torch.tensor([[start for start, n in zip(numpy.cumsum([0, *row]), row) for _ in range(n)] for row in rows], dtype=torch.int32)


def attentions():
    for B, T, H, D in [(1, 1, 2, 3), (2, 17, 3, 5), (1, 17, 1, 33), (1, 65, 2, 9), (1, 129, 1, 8)]:
        case(f"causalAttention over {T}, {H} heads of {D}", lambda qkv: attention(qkv, H), qkv=normal(B, T, 3 * H * D, deviation=1))
    case("causalAttention in documents of 1 to 65", lambda qkv, documents: attention(qkv, 2, documents),
         qkv=normal(2, 65, 3 * 2 * 5, deviation=1), documents=starts([65], [1, 3, 17, 33, 11]))


def cross_entropy(x, targets):
    return F.cross_entropy(x.flatten(0, -2), targets.flatten().long(), ignore_index=IGNORED)


def losses():
    for C, rows in [(3, (17,)), (65, (3, 5))]:
        case(f"crossEntropy of {C}", cross_entropy, x=normal(*rows, C, deviation=2), targets=ids(*rows, below=C))
        case(f"crossEntropy of {C}, some ignored", cross_entropy, x=normal(*rows, C, deviation=2), targets=some_ignored(ids(*rows, below=C)))
    case("linearCrossEntropy", lambda x, weight, targets: cross_entropy(x @ weight.mT, targets),
         x=normal(2, 17, 33), weight=normal(65, 33), targets=some_ignored(ids(2, 17, below=65)))


def rotated(x, positions, base=10_000):
    """[.., T, D]: rotates each pair (i, i + D/2) by an angle that grows with the position [.., T]."""
    D = x.shape[-1]
    angles = positions[..., None] * base ** (-torch.arange(0, D, 2).double() / D)
    result = torch.complex(x[..., : D // 2], x[..., D // 2 :]) * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([result.real, result.imag], -1)


def of_queries_and_keys(f, heads):
    def whole(qkv):
        B, T, C = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
        q, k, v = (part.reshape(B, T, heads, C // heads).transpose(1, 2) for part in qkv.split(C, dim=-1))
        return torch.cat([part.transpose(1, 2).reshape(B, T, C) for part in (f(q), f(k), v)], -1)
    return whole


def heads():
    for T, H, D in [(2, 3, 2), (5, 3, 6), (3, 1, 66)]:
        for start in [0, 300]:
            case(f"rotate from {start} on, {H} heads of {D}", of_queries_and_keys(lambda x: rotated(x, torch.arange(start, start + T)), H),
                 qkv=normal(2, T, 3 * H * D, deviation=1))
        case(f"normHeads, {H} heads of {D}", of_queries_and_keys(lambda x: F.rms_norm(x, (D,), eps=1e-5), H), qkv=normal(2, T, 3 * H * D, deviation=1))


def later_functions():
    """At the end, so that the random numbers of the earlier cases stay the same."""
    case("silu", lambda x: F.silu(x), x=normal(3, 65, deviation=2))
    case("linear then silu", lambda input, weight, bias: F.silu(F.linear(input, weight, bias)),
         input=normal(5, 33), weight=normal(17, 33), bias=normal(17))
    case("softCap", lambda x: soft_capped(x, 1.5), x=normal(3, 65, deviation=2))
    case("causalAttention with capped scores", lambda qkv: attention(qkv, 2, cap=1.5), qkv=normal(2, 65, 3 * 2 * 9, deviation=1))
    case("linearCrossEntropy of capped logits", lambda x, weight, targets: cross_entropy(soft_capped(x @ weight.mT, 0.5), targets),
         x=normal(2, 17, 33), weight=normal(65, 33), targets=some_ignored(ids(2, 17, below=65)))


# A GPT as in Sources/Model/GPT.swift.

SEED = 6  # the gradient norm of the untied variant exceeds MAX_NORM for 14 steps, and then no longer
LAYERS, HEADS, C, T, B, V, STEPS = 2, 4, 32, 24, 3, 61, 20
BETAS, EPSILON, DECAY, MAX_NORM = (0.9, 0.95), 1e-8, 0.1, 1.0
MOMENTUM, MUON_RATIO = 0.95, 20
BALANCE = 0.02


def gpt_weights(C=C, T=T, V=V):
    """Small weights: the tolerance of bf16 is 2e-2, which PyTorch's own autocast exceeds at a deviation of 0.2."""
    weights = {"tokens.weight": normal(V, C), "positions.weight": normal(T, C)}

    def linear(name, inputs, outputs):
        weights[f"{name}.weight"], weights[f"{name}.bias"] = normal(outputs, inputs, deviation=0.12), normal(outputs, deviation=0.1)

    def norm(name):
        weights[f"{name}.weight"], weights[f"{name}.bias"] = normal(C, deviation=0.1, mean=1), normal(C, deviation=0.1)

    for i in range(LAYERS):
        norm(f"layer{i}.norm1")
        linear(f"layer{i}.qkv", C, 3 * C)
        linear(f"layer{i}.output", C, C)
        norm(f"layer{i}.norm2")
        linear(f"layer{i}.up", C, 4 * C)
        linear(f"layer{i}.down", 4 * C, C)
    norm("norm")
    weights["head.weight"] = normal(V, C, deviation=0.1)
    return weights


def expert_weights(count=4, hidden=16):
    """In the place of each MLP. The scores of the router are far apart, so that rounding to bf16 chooses the same experts."""
    weights = {}
    for i in range(LAYERS):
        weights[f"layer{i}.router.weight"] = normal(count, C, deviation=0.5)
        for e in range(count):
            weights[f"layer{i}.expert{e}.up.weight"] = normal(2 * hidden, C, deviation=0.12)
            weights[f"layer{i}.expert{e}.down.weight"] = normal(C, hidden, deviation=0.12)
    return weights


def mixture(w, x, layer, balance):
    """Two of the experts process each row. Appends the load-balancing loss of Fedus et al. 2021 to `balance`."""
    p = torch.softmax(x @ w[f"{layer}.router.weight"].mT, -1)
    chosen = p.topk(2)
    weights, count, y = chosen.values / chosen.values.sum(-1, keepdim=True), p.shape[-1], 0
    for e in range(count):
        gates, values = (x @ w[f"{layer}.expert{e}.up.weight"].mT).chunk(2, -1)
        share = (weights * (chosen.indices == e)).sum(-1, keepdim=True)
        y = y + share * ((F.silu(gates) * values) @ w[f"{layer}.expert{e}.down.weight"].mT)
    load = F.one_hot(chosen.indices, count).to(p.dtype).sum(-2).flatten(0, 1).mean(0)
    balance.append(count * (load * p.flatten(0, 1).mean(0)).sum())
    return y


def gpt_logits(w, ids, documents, balance=None):
    """Weights without positions belong to the variant with rotary positions, QK-norm, RMS norm and squared ReLU, or experts."""
    modern = "positions.weight" not in w

    def linear(x, name):
        return F.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))

    def norm(x, name):
        weight, bias = w[f"{name}.weight"], w.get(f"{name}.bias")
        return F.rms_norm(x, weight.shape, weight, 1e-5) if modern else F.layer_norm(x, weight.shape, weight, bias)

    def activation(x):
        return torch.relu(x) ** 2 if modern else F.gelu(x, approximate="tanh")

    # Positions within the document give the same result as positions within the row: only distances matter.
    position = torch.arange(ids.shape[1]) - documents if modern else None

    def prepared(qkv):
        if not modern:
            return qkv
        rotary = of_queries_and_keys(lambda x: rotated(x, position[:, None]), HEADS)(qkv)
        return of_queries_and_keys(lambda x: F.rms_norm(x, (C // HEADS,), eps=1e-5), HEADS)(rotary)

    x = w["tokens.weight"][ids]
    if not modern:
        x = x + w["positions.weight"][: ids.shape[1]]
    for i in range(LAYERS):
        x = x + linear(attention(prepared(linear(norm(x, f"layer{i}.norm1"), f"layer{i}.qkv")), HEADS, documents), f"layer{i}.output")
        normed = norm(x, f"layer{i}.norm2")
        if f"layer{i}.router.weight" in w:
            x = x + mixture(w, normed, f"layer{i}", balance)
        else:
            x = x + linear(activation(linear(normed, f"layer{i}.up")), f"layer{i}.down")
    return norm(x, "norm") @ w.get("head.weight", w["tokens.weight"]).mT


def orthogonalized(x):
    """torch.optim.Muon's Newton-Schulz iterations, which PyTorch computes in bf16."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = x / (x.norm() + 1e-7)
    x, is_tall = (x.mT, True) if x.shape[0] > x.shape[1] else (x, False)
    for _ in range(5):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if is_tall else x


class Muon:
    """torch.optim.Muon in f64. Queries, keys and values are matrices of their own, and weight decay has the rate of AdamW."""

    def __init__(self, weights):
        self.weights, self.momenta = weights, [torch.zeros_like(x) for x in weights]

    @torch.no_grad()
    def step(self, rate):
        for x, momentum in zip(self.weights, self.momenta):
            momentum.lerp_(x.grad, 1 - MOMENTUM)
            direction = x.grad.lerp(momentum, MOMENTUM)
            x.mul_(1 - rate * DECAY)
            for part, update in zip(*(z.chunk(3 if z.shape[0] == 3 * z.shape[1] else 1) for z in (x, direction))):
                part.sub_(MUON_RATIO * rate * max(1, part.shape[0] / part.shape[1]) ** 0.5 * orthogonalized(update))


def check_muon():
    """A step of torch.optim.Muon is the same but for its bf16."""
    x, gradient = torch.arange(2 * 24 * 16, dtype=torch.float64).square().sin().reshape(2, 24, 16)
    ours, theirs = x.clone().requires_grad_(), x.float().requires_grad_()
    ours.grad, theirs.grad = gradient, gradient.float()
    Muon([ours]).step(0.01)
    torch.optim.Muon([theirs], lr=0.01 * MUON_RATIO, momentum=MOMENTUM, weight_decay=DECAY / MUON_RATIO).step()
    assert torch.allclose(ours - x, (theirs - x), atol=0.02 * (ours - x).abs().max().item())


def train(golden, variant, start, documents=None, uses_muon=False):
    """Twenty steps on one batch. Stores the loss and gradient norm of each, the first logits and gradients, and the final weights."""
    w = {name: x.clone().requires_grad_() for name, x in start.items()}
    linear = [x for name, x in w.items() if uses_muon and name.startswith("layer") and x.dim() >= 2]
    others = [x for x in w.values() if not any(x is y for y in linear)]
    muon = Muon(linear)
    optimizer = torch.optim.AdamW([{"params": [x for x in others if x.dim() >= 2], "weight_decay": DECAY},
                                   {"params": [x for x in others if x.dim() < 2], "weight_decay": 0.0}], betas=BETAS, eps=EPSILON)
    batch, targets, rates = golden["batch/ids"], golden["batch/targets"].flatten().long(), golden["batch/rates"]
    losses, lengths = [], []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = float(rates[step])
        balance = []
        logits = gpt_logits(w, batch, documents, balance)
        loss = F.cross_entropy(logits.flatten(0, 1), targets, ignore_index=IGNORED)
        for x in w.values():
            x.grad = None
        (loss + BALANCE * sum(balance) / LAYERS).backward()
        if step == 0 and not uses_muon:
            golden[f"{variant}/logits"] = logits
            # AdamW's first step has the same size for every gradient, so it amplifies the rounding errors of small ones. Another seed
            # may fail here. Gradients that are 0 except for rounding in f64 (the biases of keys) are fine.
            assert not any(((abs(x.grad) > 1e-12) & (abs(x.grad) < 1e-6 * abs(x.grad).max())).any() for x in w.values())
            golden.update({f"{variant}/gradient/{name}": x.grad.clone() for name, x in w.items()})
        lengths.append(torch.nn.utils.clip_grad_norm_(w.values(), MAX_NORM).item())
        losses.append(loss.item())
        muon.step(float(rates[step]))
        optimizer.step()
    golden[f"{variant}/losses"], golden[f"{variant}/lengths"] = torch.tensor(losses), torch.tensor(lengths)
    golden.update({f"{variant}/trained/{name}": x for name, x in w.items()})


def gpts():
    golden = {"batch/ids": ids(B, T, below=V), "batch/targets": some_ignored(ids(B, T, below=V)),
              "batch/documents": starts([24], [5, 1, 18], [1, 17, 3, 3]),
              "batch/rates": exact(3e-4 * torch.linspace(1, 3, STEPS, dtype=torch.float64))}
    weights = gpt_weights()
    golden.update({f"weights/{name}": x for name, x in weights.items()})
    train(golden, "untied", weights)
    train(golden, "muon", weights, uses_muon=True)
    check_muon()
    train(golden, "tied", {name: x for name, x in weights.items() if name != "head.weight"}, golden["batch/documents"])
    train(golden, "rotary", {name: x for name, x in weights.items() if name != "positions.weight" and not name.endswith("bias")}, golden["batch/documents"])
    experts = expert_weights()
    golden.update({f"weights/{name}": x for name, x in experts.items()})
    train(golden, "experts", {name: x for name, x in (weights | experts).items()
                              if name != "positions.weight" and not name.endswith(("bias", ".up.weight", ".down.weight")) or name in experts},
          golden["batch/documents"])
    return golden


# The losses of preferences, as in TRL's DPOTrainer and KTOTrainer, on preference_pairs.jsonl and preference_ratings.jsonl beside this
# file: tokens are bytes, after <|user|>, <|assistant|>, <|eos|> and <|pad|>.

BETA, SMOOTHING, DESIRABLE, UNDESIRABLE = 0.3, 0.1, 1.2, 0.8


def messages(value, role):
    return value if isinstance(value, list) else [{"role": role, "content": value}]


def tokens(prompt, answer):
    """The token ids, and which of them are the answer's."""
    roles = {"user": 0, "assistant": 1}
    text = [t for m in prompt for t in [roles[m["role"]], *(byte + 4 for byte in m["content"].encode())]] + [1]
    (message,) = answer
    reply = [byte + 4 for byte in message["content"].encode()] + [2]
    return torch.tensor(text + reply), torch.tensor([False] * len(text) + [True] * len(reply))


def log_probability(w, prompt, answer):
    ids, counted = tokens(prompt, answer)
    logps = gpt_logits(w, ids[None, :-1], None)[0].log_softmax(-1)
    return (logps.gather(-1, ids[1:, None])[:, 0] * counted[1:]).sum()


def preferences():
    pairs, ratings = ([json.loads(line) for line in (HERE / f"preference_{name}.jsonl").open()] for name in ["pairs", "ratings"])
    weights = gpt_weights(C=16, T=64, V=260)
    golden = {f"weights/{name}": x for name, x in weights.items()}

    def compute(variant, sequences, shift, loss):
        w = {name: x.clone().requires_grad_() for name, x in weights.items()}
        policy = torch.stack([log_probability(w, *sequence) for sequence in sequences])
        reference = exact(policy.detach() + shift + normal(len(sequences), deviation=2))
        value, details = loss(policy - reference)
        value.backward()
        golden.update({f"{variant}/log_probabilities": policy, f"{variant}/reference": reference, f"{variant}/loss": value})
        golden.update({f"{variant}/{name}": x for name, x in details.items()})
        golden.update({f"{variant}/gradient/{name}": x.grad for name, x in w.items()})

    split = []
    for pair in pairs:
        chosen, rejected = messages(pair["chosen"], "assistant"), messages(pair["rejected"], "assistant")
        prompt = messages(pair["prompt"], "user") if "prompt" in pair else chosen[:-1]
        split += [(prompt, chosen[-1:]), (prompt, rejected[-1:])]

    def dpo(smoothing):
        def loss(ratios):
            logits = ratios[0::2] - ratios[1::2]
            losses = -F.logsigmoid(BETA * logits) * (1 - smoothing) - F.logsigmoid(-BETA * logits) * smoothing
            return losses.mean(), {"margin": BETA * logits.mean(), "accuracy": (logits > 0).double().mean()}
        return loss

    compute("dpo", split, 0, dpo(0))
    compute("cdpo", split, 0, dpo(SMOOTHING))

    rated = [(messages(r["prompt"], "user"), messages(r["completion"], "assistant")) for r in ratings]
    mismatched = [(prompt, rated[(i + 1) % len(rated)][1]) for i, (prompt, _) in enumerate(rated)]
    label = torch.tensor([r["label"] for r in ratings])

    def kto(ratios):
        ratios, kl = ratios[:len(rated)], ratios[len(rated):].mean().clamp(min=0).detach()
        assert kl > 0
        chosen = 1 - torch.sigmoid(BETA * (ratios[label] - kl))
        rejected = 1 - torch.sigmoid(BETA * (kl - ratios[~label]))
        margin = BETA * (ratios[label].mean() - ratios[~label].mean())
        return torch.cat([DESIRABLE * chosen, UNDESIRABLE * rejected]).mean(), {"margin": margin, "kl": kl}

    compute("kto", rated + mismatched, -1.5, kto)
    return golden


if __name__ == "__main__":
    torch.set_num_threads(1)
    for group in [products, elements, reductions, norms, lookups_and_views, attentions, losses, heads, later_functions]:
        group()
    generator.manual_seed(SEED)  # independent of the operations above
    files = {"operations.safetensors": operations, "gpt.safetensors": gpts()}
    generator.manual_seed(SEED)
    files["preferences.safetensors"] = preferences()
    if sys.argv[1:] == ["--check"]:
        sys.exit(0 if all([check(*file) for file in files.items()]) else 1)
    for file in files.items():
        write(*file)
