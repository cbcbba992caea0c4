/// How a server opens the models of its machine.
package struct ModelSource: Sendable {
    /// The model of the command line.
    package struct CommandLineFile: Sendable {
        package let name, path: String
        /// Whether it may replace a model that is active: the run that writes it has ended.
        package let isFinished: Bool

        package init(name: String, path: String, isFinished: Bool) {
            self.name = name
            self.path = path
            self.isFinished = isFinished
        }
    }

    /// nil if the command line names no model and there is none to choose.
    package let commandLine: @Sendable () throws -> CommandLineFile?
    /// Opens a model with its adapters, which are the first of `ServedModel.adapters`, in their order.
    package let open: @Sendable (ModelFiles) throws -> ServedModel

    package init(
        commandLine: @escaping @Sendable () throws -> CommandLineFile?, open: @escaping @Sendable (ModelFiles) throws -> ServedModel
    ) {
        self.commandLine = commandLine
        self.open = open
    }
}

/// The files of a model to open, and of LoRA adapters that share its weights.
package struct ModelFiles: Sendable, Hashable {
    /// The name in the API.
    package var name: String
    package var path: String
    package var digest: String
    /// The base model, if this is a LoRA adapter whose base is registered.
    package var base: String?
    package var adapters: [Adapter] = []
    /// Whether it is the model of the command line, whose other options then apply to it.
    package var isCommandLine = false

    package struct Adapter: Sendable, Hashable {
        package let name, path, digest: String
    }
}
