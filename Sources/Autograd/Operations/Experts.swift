package import Kernels

/// A mixture of experts: MLPs of which a router chooses some for each token (Shazeer et al. 2017).
package struct Experts: Hashable, Sendable {
    /// E, the number of experts of a layer.
    package var count: Int
    /// k, the number of experts that process a token: those with the highest probabilities.
    package var active: Int
    /// Whether the weights of a token's experts, their probabilities, are divided by their sum.
    package var normalizesWeights = true
    /// An MLP that processes every token besides the chosen experts.
    package var shared: SharedExpert?
    /// The factor of the load-balancing loss in training: see ``Tape/route(_:to:)``.
    package var balance: Float = 0.01

    package struct SharedExpert: Hashable, Sendable {
        /// Its channels.
        package var width: Int
        /// Whether a sigmoid of a score of the token multiplies its result, as in Qwen2 MoE.
        package var hasGate: Bool

        package init(width: Int, hasGate: Bool) {
            self.width = width
            self.hasGate = hasGate
        }
    }

    /// The numbers of experts that files may contain.
    package static let possibleCounts = 2...1_024

    package init(count: Int, active: Int) {
        require(active > 0 && active <= count, "\(active) of \(count) experts for a token")
        self.count = count
        self.active = active
    }
}

/// Which experts process which rows, and their weights in the result.
package struct Routing {
    /// The rows of one expert.
    package struct Group {
        package let expert: Int
        /// In ascending order.
        package let rows: [Int32]
        /// For each row, the index of the expert's weight in ``Routing/weights``.
        package let slots: [Int]
    }

    /// The experts that process at least one row, in ascending order.
    package let groups: [Group]
    /// The softmax of the router's scores.   [N, E]
    let probabilities: Buffer
    /// For each row, the weights of its experts in ascending order of the experts.   [N, k]
    package let weights: Tensor

    /// Chooses the experts of each row by a softmax of its scores.   scores [N, E]
    package init(_ scores: Buffer, N: Int, of experts: Experts, on processor: Processor) {
        let E = experts.count, k = experts.active
        probabilities = processor.buffer(of: N * E, .float32)
        processor.softmax(scores, N: N, C: E, into: probabilities, logarithm: false)
        var chosen = [Int](repeating: 0, count: N * k)
        let weights = processor.buffer(of: N * k, .float32)
        probabilities.read { p in
            weights.write { weights in
                for n in 0..<N {
                    Self.choose(k, of: p.extracting(n * E..<(n + 1) * E), into: &chosen, at: n * k)
                    var sum: Float = 0
                    for slot in n * k..<(n + 1) * k {
                        weights[slot] = p[n * E + chosen[slot]]
                        sum += weights[slot]
                    }
                    if experts.normalizesWeights { for slot in n * k..<(n + 1) * k { weights[slot] /= sum } }
                }
            }
        }
        var rows = [[Int32]](repeating: [], count: E), slots = [[Int]](repeating: [], count: E)
        for (slot, expert) in chosen.enumerated() {
            rows[expert].append(Int32(slot / k))
            slots[expert].append(slot)
        }
        groups = (0..<E).filter { !rows[$0].isEmpty }.map { Group(expert: $0, rows: rows[$0], slots: slots[$0]) }
        self.weights = Tensor(weights, shape: [N, k])
    }

    fileprivate init(_ other: Routing, weights: Tensor) {
        groups = other.groups
        probabilities = other.probabilities
        self.weights = weights
    }

    /// The indices of the k largest numbers, in ascending order; of equal numbers, the first.
    private static func choose(_ k: Int, of p: Span<Float>, into chosen: inout [Int], at start: Int) {
        for e in p.indices {
            let last = start + min(e, k)
            // The chosen indices are in descending order of their numbers.
            guard e < k || p[e] > p[chosen[last - 1]] else { continue }
            var slot = e < k ? last : last - 1
            while slot > start, p[e] > p[chosen[slot - 1]] {
                chosen[slot] = chosen[slot - 1]
                slot -= 1
            }
            chosen[slot] = e
        }
        chosen[start..<start + k].sort()
    }

    /// The weights of a group's rows.   [M]
    package func weights(of group: Group, on processor: Processor) -> Buffer {
        let result = processor.buffer(of: group.slots.count, .float32)
        weights.elements.read { weights in
            result.write { result in for (i, slot) in group.slots.enumerated() { result[i] = weights[slot] } }
        }
        return result
    }
}

extension Processor {
    /// y [N, C] = the sum of each row's outputs, multiplied by their weights.
    ///
    /// - Parameter outputs: For each group, the results of its rows.   [M, C]
    package func sum(_ outputs: [Buffer], by routing: Routing, C: Int, into y: Buffer) {
        clear(y)
        for (group, output) in zip(routing.groups, outputs) {
            let M = group.rows.count, weighted = buffer(of: M * C, .float32), weights = routing.weights(of: group, on: self)
            combine(
                .multiply, shape: [1, 1, M, C], output, strides: [0, 0, C, 1], weights, strides: [0, 0, 1, 0], into: weighted)
            embedGradient(group.indices(on: self), dy: weighted, C: C, into: y)
        }
    }
}

extension Routing.Group {
    /// The rows as a buffer.   [M]
    package func indices(on processor: Processor) -> Buffer {
        let indices = processor.buffer(of: rows.count, .int32)
        indices.writeIDs { span in for i in span.indices { span[i] = rows[i] } }
        return indices
    }
}

extension Tape {
    /// Chooses the experts of each row by a softmax of its scores.   scores [.., E]
    ///
    /// In training, this also adds the gradient of a load-balancing loss to the scores, balance·E·Σ fₑ·Pₑ on average over layers, where
    /// fₑ is the number of times that expert e is chosen per row, and Pₑ its mean probability (Fedus et al. 2021). Without it, few experts
    /// would process most tokens. It is not part of the loss that is shown.
    package func route(_ scores: Tensor, to experts: Experts) -> Routing {
        let (N, E) = scores.shape.rows
        require(E == experts.count, "route: scores \(scores.shape) for \(experts.count) experts")
        let scores = contiguous(scores), routing = Routing(scores.elements, N: N, of: experts, on: processor)
        let balance = experts.balance * balanceScale
        let weights = record(routing.weights, from: [GradientTarget(scores)]) {
            ExpertChoice(scores: GradientTarget(scores), routing: routing, experts: experts, balance: balance)
        }
        return Routing(routing, weights: weights)
    }

    /// Some rows of x, for an expert.   x [.., C]; y [M, C]
    package func rows(of group: Routing.Group, in x: Tensor) -> Tensor {
        let x = contiguous(x), indices = Tensor(group.indices(on: processor), [group.rows.count])
        return record(selecting(indices, of: x), from: [GradientTarget(x)]) {
            EmbeddingLookup(ids: indices, table: GradientTarget(x), positions: nil, positionIndices: nil, T: 1, C: x.shape.rows.C)
        }
    }

    /// For each row, the sum of its experts' outputs, multiplied by their weights.   outputs [M, C] of each group; y [.., C]
    ///
    /// - Parameter shape: The shape of y.
    package func weightedSum(of outputs: [Tensor], by routing: Routing, _ shape: Shape) -> Tensor {
        let outputs = outputs.map(contiguous), sums = empty(shape)
        processor.sum(outputs.map(\.elements), by: routing, C: shape.rows.C, into: sums.elements)
        return record(cast(sums, to: precision), from: outputs.map { GradientTarget($0) } + [GradientTarget(routing.weights)]) {
            WeightedSum(outputs: outputs, routing: routing, C: shape.rows.C)
        }
    }
}

/// With weights w = p of the chosen experts, or p/Σp:   dp = dw, or (dw − ⟨dw·w⟩)/Σp,   dscores += p·(dp − ⟨dp·p⟩)
private struct ExpertChoice: Operation {
    let scores: GradientTarget       // [.., E]
    let routing: Routing
    let experts: Experts
    let balance: Float

    func backward(_ dy: Tensor, on tape: Tape) {
        let (N, E) = scores.shape.rows, k = experts.active
        let p = routing.probabilities, weights = routing.weights.elements
        let dp = tape.processor.zeros(N * E), dx = tape.processor.buffer(of: N * E, .float32)
        let dw = tape.cast(dy, to: .float32).elements
        dp.write { dp in p.read { p in weights.read { w in dw.read { dw in
            for group in routing.groups {
                // The derivative of balance·E·f·mean(p) by each of the N probabilities.
                let load = balance * Float(E) * Float(group.rows.count) / Float(N) / Float(N)
                for n in 0..<N { dp[n * E + group.expert] = load }
                for (row, slot) in zip(group.rows, group.slots) {
                    let n = Int(row), i = n * E + group.expert
                    guard experts.normalizesWeights else {
                        dp[i] += dw[slot]
                        continue
                    }
                    var mean: Float = 0
                    for slot in n * k..<(n + 1) * k { mean += dw[slot] * w[slot] }
                    // Σp = p/w; a weight of 0 has a probability of 0.
                    if w[slot] > 0 { dp[i] += (dw[slot] - mean) * w[slot] / p[i] }
                }
            }
        } } } }
        tape.processor.softmaxGradient(dy: dp, y: p, N: N, C: E, dx: dx, logarithm: false, adding: false)
        tape.addGradient(to: scores) { target, adding in tape.processor.copy(dx, into: target, adding: adding) }
    }
}

/// With the rows g of dy that belong to an expert:   dz += w·g,   dw += ⟨g·z⟩
private struct WeightedSum: Operation {
    let outputs: [Tensor]            // z [M, C] of each group
    let routing: Routing
    let C: Int

    func backward(_ dy: Tensor, on tape: Tape) {
        let processor = tape.processor, dw = processor.zeros(routing.weights.count)
        for (group, z) in zip(routing.groups, outputs) {
            let M = group.rows.count, g = processor.buffer(of: M * C, .float32), products = processor.buffer(of: M * C, .float32)
            let sums = processor.buffer(of: M, .float32), weights = routing.weights(of: group, on: processor)
            processor.embed(group.indices(on: processor), table: dy.elements, C: C, plus: nil, period: 1, into: g)
            processor.combine(
                .multiply, shape: [1, 1, M, C], g, strides: [0, 0, C, 1], z.elements, strides: [0, 0, C, 1], into: products)
            processor.sum(products, outer: M, R: C, inner: 1, into: sums)
            sums.read { sums in dw.write { dw in for (i, slot) in group.slots.enumerated() { dw[slot] = sums[i] } } }
            tape.writeGradient(to: GradientTarget(z)) { dz in
                processor.combine(.multiply, shape: [1, 1, M, C], g, strides: [0, 0, C, 1], weights, strides: [0, 0, 1, 0], into: dz)
            }
        }
        tape.passGradient(Tensor(dw, shape: routing.weights.shape), to: GradientTarget(routing.weights))
    }
}
