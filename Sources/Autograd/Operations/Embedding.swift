import Kernels

extension Tape {
    /// y[i] = table[ids[i]] (+ positions[t], where t is the index along the last axis of ids), in f32.
    /// ids [..], table [V, C], positions [≥ T, C]; y [.., C]
    package func embed(_ ids: Tensor, in table: Tensor, plus positions: Tensor? = nil, for name: StaticString = "embed") -> Tensor {
        require(table.shape.rank == 2 && ids.type == .int32, "\(name): \(ids.type.rawValue) \(ids.shape) in a table \(table.shape)")
        require(ids.shape.rank < 4, "\(name): ids \(ids.shape) leave no dimension for the channels")
        let C = table.shape[1]
        let T = ids.shape.rank == 0 ? 1 : ids.shape[-1]
        require(
            positions.map { $0.shape.rank == 2 && $0.shape[1] == C && $0.shape[0] >= T } ?? true,
            "embed: positions \(positions?.shape ?? []) for ids \(ids.shape) in \(table.shape)"
        )
        let y = empty(Shape(ids.shape.sizes + [C]))
        processor.embed(ids.elements, table: table.elements, C: C, plus: positions?.elements, period: Swift.max(T, 1), into: y.elements)
        let inputs = [GradientTarget(table)] + (positions.map { [GradientTarget($0)] } ?? [])
        return record(y, from: inputs) {
            EmbeddingLookup(ids: ids, table: GradientTarget(table), positions: positions.map { GradientTarget($0) }, T: T, C: C)
        }
    }
}

/// dtable[ids[n]] += dy[n],   dpositions[t] += Σ dy over the rows at position t
private struct EmbeddingLookup: Operation {
    let ids: Tensor
    let table: GradientTarget
    let positions: GradientTarget?
    let T, C: Int

    func backward(_ dy: Tensor, on tape: Tape) {
        tape.addGradient(to: table) { target, adding in
            // Repeated ids are summed in f32, in a separate buffer if the target is bf16.
            let direct = target.type == .float32
            let sums = direct ? target : tape.processor.buffer(of: target.count, .float32)
            if !adding || !direct { tape.processor.clear(sums) }
            tape.processor.embedGradient(ids.elements, dy: dy.elements, C: C, into: sums)
            if !direct {
                tape.processor.copy(sums, into: target, adding: adding)
            }
        }
        guard let positions else { return }
        tape.addGradient(to: positions) { target, adding in
            if !adding { tape.processor.clear(target) }
            tape.processor.sum(dy.elements, outer: 1, R: ids.count / Swift.max(T, 1), inner: T * C, into: target[0..<T * C], adding: true)
        }
    }
}
