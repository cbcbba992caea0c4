package import Checkpoint
package import Formats
package import Kernels

extension HuggingFace {
    /// Reads a folder and converts all weights to f32.
    package static func read(_ folder: String, on processor: Processor) throws(CheckpointError) -> Checkpoint {
        try map(folder).dequantized(on: processor)
    }
}
