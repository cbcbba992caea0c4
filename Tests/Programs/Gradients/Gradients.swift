import Autograd
import Checkpoint
import Files
import Glibc
import Kernels
import Model
import Train

/// Prints the losses of a checkpoint in f32 and writes its gradients or the weights after some steps, for comparison with PyTorch.
///
///     Gradients CHECKPOINT OUT < rows            // writes the gradients as a checkpoint whose weights are the gradients
///     Gradients CHECKPOINT OUT 50 1e-3 < rows    // 50 steps of AdamW on the same batch: rate 1e-3, β 0.9 and 0.95, no decay
///     Gradients CHECKPOINT OUT 1 1e-3 0.1 < rows // a step with weight decay
///
/// A row is a line of ids, all as long; each predicts the next one. The checkpoint may be a LoRA adapter.
@main
struct Gradients {
    static func main() throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 3 || 5...6 ~= arguments.count else {
            return print("usage: Gradients CHECKPOINT OUT [STEPS RATE [DECAY]] < rows")
        }
        let processor = try Processor()
        var checkpoint = try Checkpoint(reading: arguments[1])
        checkpoint.configuration.dropout = 0
        let (model, parameters) = try checkpoint.model(copying: true, keepingQuantized: checkpoint.adapter != nil, on: processor)
        let batch = batch()
        if arguments.count > 3, let steps = Int(arguments[3]), let rate = Float(arguments[4]) {
            let trainer = Trainer(model, parameters, on: processor, precision: .float32, seed: 1)
            trainer.optimizer.decay = arguments.count > 5 ? Float(arguments[5]) ?? 0 : 0
            for _ in 0..<steps { print(trainer.step(batch, rate: rate).loss) }
        } else {
            let trainer = Trainer(model, parameters, on: processor, precision: .float32, seed: 1)
            print(trainer.accumulateGradients(of: batch))
        }
        var result = checkpoint
        result.optimizer = [:]
        result.training = [:]
        let values = arguments.count > 3 ? parameters.values : parameters.allGradients()
        result.weights = OrderedDictionary(values, of: parameters.list)
        // An adapter of PiSSA has gradients of A and B like any other.
        if arguments.count == 3 { result.adapter?.principals = [:] }
        try result.write(to: arguments[2])
    }

    private static func batch() -> Batch {
        var rows: [[Int32]] = []
        while let line = readLine() { rows.append(line.split(separator: " ").compactMap { Int32($0) }) }
        return Batch(inputs: rows.flatMap { $0.dropLast() }, targets: rows.flatMap { $0.dropFirst() }, rows: rows.count)
    }
}
