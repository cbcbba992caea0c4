internal import CKernels

/// What a sequence remembers of itself while it is answered: the keys and values of every layer and head.
///
///     let memory = processor.recollection(layers: 6, heads: 8, headWidth: 64, room: 384, .bfloat16)
///     processor.recall(qkv, rows: [.init(memory, from: 0, count: 12)], layer: 0, into: y)
package final class Recollection {
    package let layers, heads, headWidth: Int
    /// The most positions that it has room for.
    package let room: Int
    let type: DataType
    private let storage: Buffer
    private let keyBytes, valueBytes: Int

    fileprivate init(layers: Int, heads: Int, headWidth: Int, room: Int, _ type: DataType, on processor: Processor) {
        (self.layers, self.heads, self.headWidth, self.room, self.type) = (layers, heads, headWidth, room, type)
        let positions = (room + 31) / 32 * 32, width = (headWidth + 1) / 2 * 2      // whole blocks on every path, whole pairs of channels
        (keyBytes, valueBytes) = (positions * width * type.size, positions * headWidth * type.size)
        storage = processor.buffer(of: layers * heads * (keyBytes + valueBytes) / 4, .int32)
    }

    package var byteCount: Int { storage.count * 4 }

    fileprivate func keys(layer: Int, head: Int) -> UnsafeMutableRawPointer { storage.pointer + (layer * heads + head) * (keyBytes + valueBytes) }
    fileprivate func values(layer: Int, head: Int) -> UnsafeMutableRawPointer { keys(layer: layer, head: head) + keyBytes }

    /// Takes what another remembers. Of both alike, only beginnings of the same ids mean the same.
    package func copy(from other: Recollection) {
        require(other.layers == layers && other.heads == heads && other.headWidth == headWidth && other.room == room && other.type == type, "memories of different models")
        storage.copy(from: other.storage)
    }
}

/// Rows of a step that follow each other in one sequence.
package struct RecalledRows {
    package let memory: Recollection
    /// The position of the first.
    package let start: Int
    package let count: Int

    package init(_ memory: Recollection, from start: Int, count: Int) {
        require(start >= 0 && count >= 0 && start + count <= memory.room, "positions \(start) to \(start + count) of a memory for \(memory.room)")
        (self.memory, self.start, self.count) = (memory, start, count)
    }
}

extension Processor {
    package func recollection(layers: Int, heads: Int, headWidth: Int, room: Int, _ type: DataType) -> Recollection {
        Recollection(layers: layers, heads: heads, headWidth: headWidth, room: room, type, on: self)
    }

    /// Remembers the keys and values of all rows, and has each row ask what its sequence remembers up to it.   qkv [N, 3·H·D], y [N, H·D], both f32
    package func recall(_ qkv: Buffer, rows parts: [RecalledRows], layer: Int, into y: Buffer) {
        guard let first = parts.first?.memory else { return }
        let (H, D) = (first.heads, first.headWidth), N = parts.reduce(0) { $0 + $1.count }, most = parts.reduce(0) { max($0, $1.start + $1.count) }
        require(qkv.count == 3 * N * H * D && y.count == N * H * D && layer < first.layers, "recall: [\(N), \(H)·\(D)] from \(qkv.count) numbers into \(y.count)")
        var starts: [Int] = [], next = 0
        for part in parts { starts.append(next); next += part.count }
        let scratch = scratch(4 * table.recall_scratch(D, most))
        measured("attention", flops: parts.reduce(0) { $0 + 4 * H * D * $1.count * ($1.start + $1.count) }) {
            each(parts.count * H) { item, thread in
                let part = parts[item / H], head = item % H
                remember(qkv, part, at: starts[item / H], layer, head)
                ask(qkv, part, at: starts[item / H], layer, head, into: y, scratch[thread].assumingMemoryBound(to: Float.self))
            }
        }
    }

    private func remember(_ qkv: Buffer, _ part: RecalledRows, at row: Int, _ layer: Int, _ head: Int) {
        let memory = part.memory, D = memory.headWidth, C = memory.heads * D
        let keys = memory.keys(layer: layer, head: head), values = memory.values(layer: layer, head: head)
        for n in 0..<part.count {
            let from = qkv.floats + (row + n) * 3 * C + head * D
            table.remember(memory.type.code, D, part.start + n, from + C, from + 2 * C, keys, values)
        }
    }

    private func ask(_ qkv: Buffer, _ part: RecalledRows, at row: Int, _ layer: Int, _ head: Int, into y: Buffer, _ scratch: UnsafeMutablePointer<Float>) {
        let memory = part.memory, D = memory.headWidth, C = memory.heads * D
        var p = slm_recall()
        (p.D, p.type, p.scale) = (D, memory.type.code, 1 / Float(D).squareRoot())
        (p.keys, p.values) = (UnsafeRawPointer(memory.keys(layer: layer, head: head)), UnsafeRawPointer(memory.values(layer: layer, head: head)))
        for n in 0..<part.count {
            (p.q, p.y) = (UnsafePointer(qkv.floats + (row + n) * 3 * C + head * D), y.floats + (row + n) * C + head * D)
            p.count = part.start + n + 1
            table.recall(&p, scratch)
        }
    }
}
