// For Documentation/Learn/Autograd.md: the GPT uses `apply` and fused activations (`linear(…, then: .gelu)`) instead.

import Kernels

extension Tape {
    package func exp(_ x: Tensor) -> Tensor { apply(.exp, to: x) }
    package func log(_ x: Tensor) -> Tensor { apply(.log, to: x) }
    package func sqrt(_ x: Tensor) -> Tensor { apply(.sqrt, to: x) }
    package func tanh(_ x: Tensor) -> Tensor { apply(.tanh, to: x) }
    package func sigmoid(_ x: Tensor) -> Tensor { apply(.sigmoid, to: x) }
    package func relu(_ x: Tensor) -> Tensor { apply(.relu, to: x) }
    package func gelu(_ x: Tensor) -> Tensor { apply(.gelu, to: x) }
}
