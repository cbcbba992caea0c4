package import Checkpoint
package import Kernels

extension Buffer {
    /// The numbers of a buffer of f32.
    package var array: [Float] { read { span in span.indices.map { span[$0] } } }
}

extension Checkpoint {
    /// The numbers of a weight; none if the checkpoint lacks it.
    package func weight(_ name: String) -> [Float] { weights[name]?.values.array ?? [] }
}
