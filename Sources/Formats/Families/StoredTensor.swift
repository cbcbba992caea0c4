import Autograd
import Checkpoint
import Files
import Kernels
import Model

/// A tensor in a mapped file of another program.
struct StoredTensor {
    let file: MappedFile
    /// Its bytes in the file.
    let range: Range<Int>
    let format: StoredFormat
    /// The scales of its blocks, if they are a tensor of their own. Only matrices that stay in the file have such.
    var scales: (file: MappedFile, range: Range<Int>)?

    /// One of the matrices that a tensor stacks, or the tensor itself.
    func slice(_ part: TensorPart) -> StoredTensor {
        guard let (index, count) = part.slice else { return self }
        func slice(_ range: Range<Int>) -> Range<Int> {
            let size = range.count / count, start = range.lowerBound + index * size
            return start..<start + size
        }
        return StoredTensor(file: file, range: slice(range), format: format, scales: scales.map { ($0.file, slice($0.range)) })
    }

    /// Reads the tensor's numbers in a range of whole blocks.
    func read(_ numbers: Range<Int>, into target: inout MutableSpan<Float>) {
        precondition(scales == nil, "\(file.path): blocks whose scales are another tensor stay in the file")
        func offset(_ number: Int) -> Int { range.lowerBound + number / format.blockCount * format.blockSize }
        file.read(as: UInt8.self) { format.read($0.extracting(offset(numbers.lowerBound)..<offset(numbers.upperBound)), into: &target) }
    }
}

extension Checkpoint {
    /// Adds a parameter that consists of tensors in mapped files. A matrix stays where it is; other parameters are small and are converted
    /// to f32.
    mutating func add(_ parameter: Parameter, _ parts: [(part: TensorPart, tensor: StoredTensor)]) {
        let staysInFile = Self.isMatrix(parameter.name, parameter.shape) && parts.allSatisfy { part, _ in
            part.offset == 0 && (part.order == nil || !part.isTransposed)
        }
        guard staysInFile else {
            let values = Buffer(zeros: parameter.shape.count)
            for (part, tensor) in parts { part.copy(into: values, columns: parameter.columns) { tensor.read($0, into: &$1) } }
            weights[parameter.name] = FloatArray(values, shape: parameter.shape)
            return
        }
        let rows = parts.map { part, tensor in
            var rows = StoredRows(in: tensor.file, at: tensor.range, tensor.format, rows: part.rows)
            rows.isTransposed = part.isTransposed
            rows.scales = tensor.scales
            rows.order = part.order.map { order in
                var inverse = [Int32](repeating: 0, count: order.count)
                for row in 0..<order.count { inverse[order[row]] = Int32(row) }
                return inverse
            }
            return rows
        }
        quantized[parameter.name] = QuantizedWeights(rows: rows, outputs: parameter.shape[0], inputs: parameter.shape[1])
    }

    /// Adds zeros for biases that files of the family can lack.
    mutating func addMissingBiases(of layout: TensorLayout) {
        for (parameter, _) in layout.parameters
        where parameter.name.hasSuffix(".bias") && weights[parameter.name] == nil {
            weights[parameter.name] = FloatArray(Buffer(zeros: parameter.shape.count), shape: parameter.shape)
        }
    }
}
