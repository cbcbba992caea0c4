package import Autograd
package import Checkpoint
import Model

/// A small model in `base.h5` of a folder, and a LoRA adapter for it with random weights in `adapter.h5`.
package struct SampleAdapter {
    package let base: Checkpoint
    package let adapter: Checkpoint

    package init(
        in folder: TemporaryFolder, _ shape: LoRAConfiguration = LoRAConfiguration(rank: 2, alpha: 3), layers: Int = 1,
        withPrincipals: Bool = false, isTied: Bool = false
    ) throws {
        var sample = try SampleCheckpoint(layers: layers).checkpoint
        sample.configuration.isTied = isTied
        if isTied { sample.weights["head.weight"] = nil }
        sample.optimizer = [:]
        sample.training = [:]
        sample.metrics = [:]
        try sample.write(to: folder("base.h5"))
        base = try Checkpoint(reading: folder("base.h5"))
        let list = ParameterList(of: base.configuration, lora: shape)
        var adapter = Checkpoint(try list.normalValues(seed: 1), adapter: shape, of: base)
        if withPrincipals { adapter.adapter?.principals = OrderedDictionary(try list.normalValues(seed: 2), of: list.parameters) }
        try adapter.write(to: folder("adapter.h5"))
        self.adapter = try Checkpoint(reading: folder("adapter.h5"))
    }
}
