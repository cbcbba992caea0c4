package import Autograd
import Checkpoint
import Files
import Hashing
package import Kernels
package import Model

/// A BERT in mapped files. Matrices stay there, in the formats that they have there.
package struct BERTFile {
    package let configuration: BERTConfiguration
    let tensors: TensorFiles
    let layout: EncoderLayout

    /// Builds the model with its weights.
    package func model(on processor: Processor) -> (model: BERT, parameters: Parameters) {
        var list = ParameterList()
        let model = BERT(configuration, in: &list)
        // The regions of matrices stay unused, and take no memory.
        let values = processor.buffer(of: list.count, .float32)
        values.disableHugePages()
        var matrices: [Int: QuantizedWeights] = [:]
        for (parameter, parts) in layout.parameters {
            let columns = parameter.shape.rank == 1 ? 1 : parameter.shape[1]
            if EncoderLayout.isMatrix(parameter) {
                let rows = parts.compactMap { part in
                    tensors.stored(part.name).map { StoredRows(in: $0.file, at: $0.range, $0.format, rows: part.rows) }
                }
                matrices[parameter.index] = QuantizedWeights(rows: rows, outputs: parameter.shape[0], inputs: columns)
            } else {
                for part in parts { tensors.copy(part, into: values[parameter.range], columns: columns) }
            }
        }
        return (model, Parameters(list, values: values, quantized: matrices, on: processor))
    }

    /// Adds the bytes of all tensors.
    func add(to digest: borrowing Digest) {
        for (name, entry) in tensors.entries {
            digest.add(name)
            entry.file.read(as: UInt8.self) { digest.add($0.extracting(entry.range)) }
        }
    }
}
