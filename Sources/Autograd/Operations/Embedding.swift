import Kernels

extension Tape {
    /// y[i] = table[ids[i]] (+ positions[t], where t is the index along the last axis of ids), in f32.
    /// ids [..], table [V, C], positions [≥ T, C]; y [.., C]
    ///
    /// - Parameter documentStarts: For each id, the first index of its conversation. Then t counts from there, so a conversation has the
    ///   same positions wherever it lies in a row.   [..]
    package func embed(
        _ ids: Tensor, in table: Tensor, plus positions: Tensor? = nil, documentStarts: Tensor? = nil, for name: StaticString = "embed"
    ) -> Tensor {
        require(table.shape.rank == 2 && ids.type == .int32, "\(name): \(ids.type.rawValue) \(ids.shape) in a table \(table.shape)")
        require(ids.shape.rank < 4, "\(name): ids \(ids.shape) leave no dimension for the channels")
        let C = table.shape[1]
        let T = ids.shape.rank == 0 ? 1 : ids.shape[-1]
        require(
            positions.map { $0.shape.rank == 2 && $0.shape[1] == C && $0.shape[0] >= T } ?? true,
            "embed: positions \(positions?.shape ?? []) for ids \(ids.shape) in \(table.shape)"
        )
        let y = empty(Shape(ids.shape.sizes + [C]))
        let indices = positions == nil ? nil : documentStarts.map { positionIndices(from: $0, like: ids, T: T) }
        let fused = indices == nil ? positions : nil
        processor.embed(ids.elements, table: table.elements, C: C, plus: fused?.elements, period: Swift.max(T, 1), into: y.elements)
        if let positions, let indices {
            let rows = empty(y.shape)
            processor.embed(indices.elements, table: positions.elements, C: C, plus: nil, period: 1, into: rows.elements)
            processor.copy(rows.elements, into: y.elements, adding: true)
        }
        let inputs = [GradientTarget(table)] + (positions.map { [GradientTarget($0)] } ?? [])
        return record(y, from: inputs) {
            EmbeddingLookup(
                ids: ids, table: GradientTarget(table), positions: positions.map { GradientTarget($0) }, positionIndices: indices,
                T: T, C: C
            )
        }
    }

    /// For each id, its distance from the start of its conversation.   [..]
    private func positionIndices(from documentStarts: Tensor, like ids: Tensor, T: Int) -> Tensor {
        require(documentStarts.shape == ids.shape, "embed: documentStarts \(documentStarts.shape) for ids \(ids.shape)")
        let starts = documentStarts.ids
        let indices = starts.indices.map { Int32($0 % T) - starts[$0] }
        require(indices.allSatisfy { $0 >= 0 }, "embed: a document starts after one of its positions")
        return self.ids(indices, ids.shape)
    }
}

/// dtable[ids[n]] += dy[n],   dpositions[t] += Σ dy over the rows at position t
struct EmbeddingLookup: Operation {
    let ids: Tensor
    let table: GradientTarget
    let positions: GradientTarget?
    let positionIndices: Tensor?     // [..]; nil if a position is the index along the last axis
    let T, C: Int

    func backward(_ dy: Tensor, on tape: Tape) {
        addGradient(dy, to: table, at: ids, on: tape)
        guard let positions else { return }
        if let positionIndices { return addGradient(dy, to: positions, at: positionIndices, on: tape) }
        tape.addGradient(to: positions) { target, adding in
            if !adding { tape.processor.clear(target) }
            tape.processor.sum(dy.elements, outer: 1, R: ids.count / Swift.max(T, 1), inner: T * C, into: target[0..<T * C], adding: true)
        }
    }

    /// Adds each row of dy to a row of the table.
    private func addGradient(_ dy: Tensor, to table: GradientTarget, at ids: Tensor, on tape: Tape) {
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
    }
}
