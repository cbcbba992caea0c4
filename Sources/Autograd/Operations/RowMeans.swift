import Kernels

extension Tape {
    /// The mean of the rows of each group: the first `counts[0]` rows, the next `counts[1]`, and so on. 0 for a group without rows.
    /// x [N, C]; y [groups, C]
    package func rowMeans(_ x: Tensor, counts: [Int]) -> Tensor {
        let x = contiguous(x), (N, C) = x.shape.rows
        require(counts.reduce(0, +) == N, "rowMeans: groups of \(counts.reduce(0, +)) rows for \(x.shape)")
        let groups = ids(counts.enumerated().flatMap { group, count in Array(repeating: Int32(group), count: count) }, [N])
        let shares = constant(counts.map { 1 / Float(Swift.max($0, 1)) }, [counts.count, 1])
        let sums = Tensor(processor.zeros(counts.count * C), [counts.count, C])
        processor.embedGradient(groups.elements, dy: x.elements, C: C, into: sums.elements)
        let y = combine(.multiply, sums, shares, for: "rowMeans")
        return record(y, from: [GradientTarget(x)]) { RowMeans(x: GradientTarget(x), groups: groups, shares: shares) }
    }
}

/// dx[n] += dy[group of n] / rows of the group
private struct RowMeans: Operation {
    let x: GradientTarget
    let groups: Tensor                                        // [N]: the group of each row
    let shares: Tensor                                        // [groups, 1]: 1/rows

    func backward(_ dy: Tensor, on tape: Tape) {
        let (G, C) = (shares.shape[0], dy.count / Swift.max(shares.shape[0], 1))
        let parts = tape.combine(.multiply, Tensor(dy.elements, [G, C]), shares, for: "rowMeans")
        tape.writeGradient(to: x) { target in
            tape.processor.embed(groups.elements, table: parts.elements, C: C, plus: nil, period: 1, into: target)
        }
    }
}
